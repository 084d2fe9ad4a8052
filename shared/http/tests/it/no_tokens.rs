//! Systems whose requests need tokens, where these cannot be had.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use pomost_http::{FailureClass, ManualClock, SystemClient};
use pomost_store::{LeaseName, Outage, Store};
use tokio::time::timeout;

use crate::{
    renewal::until,
    support::{Authority, FakeServer, Place, Reply, SystemFile, by, on_both, things},
};

/// A system that gets its tokens at a URL.
fn system(url: &str, token_url: &str) -> SystemFile {
    let auth = format!(
        "auth: {{ oauth2: {{ grant: client_credentials, token_url: '{token_url}', client_id: us, client_secret: \
         '${{SECRET}}', client_auth: body }} }}"
    );
    SystemFile::at(url)
        .with(&auth)
        .set("SECRET", "secret-CANARY")
}

/// A server whose token endpoint gives one answer until it is mended.
async fn server(answer: fn(&str) -> Reply) -> (FakeServer, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let server =
        FakeServer::start(
            move |seen| match (seen.path.as_str(), mended.load(Ordering::Relaxed)) {
                ("/token", true) => Reply::of(200, r#"{"access_token":"token-1"}"#),
                ("/token", false) => answer(&seen.body),
                _ => Reply::ok(),
            },
        );
    (server.await, is_mended)
}

/// Waits until the store knows of one outage, or of none; returns its class and reason.
async fn outage(store: &Arc<dyn Store>, there_is_one: bool) -> Option<(String, String)> {
    let looking = async {
        loop {
            let mut outages = store.outages(Outage::FORGOTTEN_AFTER).await.unwrap();
            if outages.len() == usize::from(there_is_one) {
                return outages.pop().map(|outage| (outage.class, outage.reason));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), looking)
        .await
        .expect("the store does not know")
}

/// The longest rest of a system that is down.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Makes the next probe, and says if it succeeds.
async fn try_again(client: &SystemClient, server: &FakeServer, clock: &ManualClock) -> bool {
    clock.advance(LONGEST_REST);
    client.until_ready().await;
    client.send(things(&server.url)).await.is_ok()
}

type Case = (fn(&str) -> Reply, FailureClass, &'static str);

const CASES: [Case; 9] = [
    (
        |_| {
            Reply::of(
                401,
                r#"{"error":"invalid_client","error_description":"no such\nclient"}"#,
            )
        },
        FailureClass::Unauthorised,
        "answers 401 Unauthorized: invalid_client no such client",
    ),
    (
        |body| {
            Reply::of(
                400,
                format!(r#"{{"error":"invalid_scope","error_description":"{body}"}}"#),
            )
        },
        FailureClass::Unauthorised,
        "answers 400 Bad Request: invalid_scope grant_type=client_credentials&client_id=us&client_secret=***",
    ),
    (
        |_| Reply::of(200, r#"{"access_token":"t","token_type":"mac"}"#),
        FailureClass::Unauthorised,
        "answers with a token of the type 'mac', expected Bearer",
    ),
    (
        |_| Reply::of(404, "no such page"),
        FailureClass::Unauthorised,
        "answers 404 Not Found with something else, expected JSON",
    ),
    (
        |_| Reply::of(500, "{}"),
        FailureClass::Unreachable,
        "answers 500 Internal Server Error",
    ),
    (
        |_| Reply::of(429, "{}").with("retry-after", 1),
        FailureClass::Throttled,
        "answers 429 Too Many Requests",
    ),
    (
        |_| Reply::of(503, "<html>").with("retry-after", 1),
        FailureClass::Throttled,
        "answers 503 Service Unavailable with a web page or XML, expected JSON",
    ),
    (
        |_| Reply::of(200, "\n<!doctype html><title>Away</title>"),
        FailureClass::Unreachable,
        "answered 200 OK with a web page (no Content-Type, titled 'Away') where JSON was expected",
    ),
    (
        |_| Reply::of(200, "access_token=CANARY"),
        FailureClass::Unreachable,
        "answers 200 OK with something else, expected JSON",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_fails_once_is_an_outage_with_its_reason_until_a_probe_gets_tokens() {
    join_all(CASES.map(is_an_outage)).await;
}

async fn is_an_outage((answer, class, reason): Case) {
    let (server, is_mended) = server(answer).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Place::Sqlite(directory.path().join("state.db"))
        .open()
        .await;
    let clock = ManualClock::default();
    let system = system(&server.url, &format!("{}/token", server.url));
    let client = system.client_with(&store, &by(&clock));
    let failure = client.send(things(&server.url)).await.unwrap_err();
    let reason = format!("shop: the token endpoint at 127.0.0.1 {reason}");
    assert_eq!((failure.class, &failure.message), (class, &reason));
    assert!(client.is_down() && !failure.not_sent, "{failure}");
    assert_eq!(
        outage(&store, true).await,
        Some((class.as_str().to_owned(), reason))
    );
    for _ in 0..5 {
        assert!(client.send(things(&server.url)).await.unwrap_err().not_sent);
    }
    assert_eq!(server.count_path("/token"), 1, "{failure}");
    assert!(!try_again(&client, &server, &clock).await);
    assert_eq!(server.count_path("/token"), 2, "{failure}");
    is_mended.store(true, Ordering::Relaxed);
    assert!(try_again(&client, &server, &clock).await);
    assert_eq!(
        (outage(&store, false).await, server.count_path("/token")),
        (None, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_nobody_listens_at_or_that_is_silent_is_an_outage() {
    let (server, _) = server(|_| Reply::ok().that_never_ends()).await;
    for (token_url, lines, what) in [
        ("http://127.0.0.1:1/token", "", "error sending request"),
        (&*format!("{}/token", server.url), "timeout: 1s", ""),
    ] {
        let client = system(&server.url, token_url).with(lines).lone().await;
        let failure = client.send(things(&server.url)).await.unwrap_err();
        let message = format!("shop: the token endpoint at 127.0.0.1: {what}");
        assert!(failure.message.starts_with(&message), "{failure}");
        assert!(
            client.is_down() && failure.class == FailureClass::Unreachable,
            "{failure}"
        );
    }
    assert_eq!(server.count_path("/things"), 0);
}

/// The store is away, or another replica has the lease and does not come to an end.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_of_our_own_while_tokens_are_renewed_is_no_outage() {
    on_both(|place: Place| async move {
        let (server, is_mended) = server(|_| Reply::of(500, "{}")).await;
        is_mended.store(true, Ordering::Relaxed);
        let store = place.open().await;
        let client = system(&server.url, &format!("{}/token", server.url))
            .with("timeout: 1s")
            .client(&store);
        let fails = async || {
            let failure = client.send(things(&server.url)).await.unwrap_err();
            assert!(
                failure.not_sent && failure.class == FailureClass::Unreachable,
                "{failure}"
            );
            assert!(!client.is_down());
        };
        place
            .execute("ALTER TABLE grants RENAME TO grants_away")
            .await;
        fails().await;
        place
            .execute("ALTER TABLE grants_away RENAME TO grants")
            .await;
        let lease = store
            .acquire_lease(
                LeaseName::TokenRenewal("shop".to_owned()),
                "another",
                Duration::from_secs(60),
            )
            .await
            .unwrap()
            .unwrap();
        fails().await;
        assert_eq!(server.count_path("/token"), 0);
        store.release_lease(&lease).await.unwrap();
        until_sent(&client, &server).await;
        assert_eq!(store.outages(Outage::FORGOTTEN_AFTER).await.unwrap(), []);
    })
    .await;
}

async fn until_sent(client: &SystemClient, server: &FakeServer) {
    let sending = async { while client.send(things(&server.url)).await.is_err() {} };
    timeout(Duration::from_secs(30), sending).await.unwrap();
}

/// Asking for tokens is part of the probe, or each replica would ask.
#[tokio::test(flavor = "multi_thread")]
async fn of_all_replicas_one_at_a_time_asks_for_tokens_while_there_are_none() {
    on_both(|place: Place| async move {
        let is_silent = Arc::new(AtomicBool::new(false));
        let silent = is_silent.clone();
        let server = FakeServer::start(move |_| match silent.load(Ordering::Relaxed) {
            false => Reply::of(500, "{}"),
            true => Reply::ok().that_never_ends(),
        })
        .await;
        let stores: [Arc<dyn Store>; 2] = [place.open().await, place.open().await];
        let system = system(&server.url, &format!("{}/token", server.url));
        let clock = ManualClock::default();
        let clients = stores.map(|store| system.client_with(&store, &by(&clock)));
        for client in &clients {
            client.send(things(&server.url)).await.unwrap_err();
            assert!(client.is_down());
        }
        is_silent.store(true, Ordering::Relaxed);
        clock.advance(LONGEST_REST);
        clients[0].until_ready().await;
        let probing = tokio::spawn({
            let (client, url) = (clients[0].clone(), server.url.clone());
            async move { client.send(things(&url)).await.map(drop) }
        });
        until(|| server.count_path("/token") == 3).await;
        clients[1].until_ready().await;
        assert!(
            clients[1]
                .send(things(&server.url))
                .await
                .unwrap_err()
                .not_sent
        );
        assert_eq!(
            (server.count_path("/token"), server.count_path("/things")),
            (3, 0)
        );
        probing.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refresh_token_is_an_outage_that_says_what_to_do_also_where_another_replica_was_refused()
 {
    on_both(|place: Place| async move {
        let authority = Authority::start(100).await;
        // Another client has used the refresh token before.
        authority.change(|state| state.issued = 1);
        let store = place.open().await;
        for _ in 0..2 {
            let client = authority.system().client(&store);
            let failure = client.send(things(&authority.url)).await.unwrap_err();
            assert!(
                client.is_down() && failure.class == FailureClass::Unauthorised,
                "{failure}"
            );
            let (class, reason) = outage(&store, true).await.unwrap();
            assert_eq!(class, "unauthorised");
            for text in [
                "shop: needs new authorisation",
                "authorise Pomost again there",
                "${REFRESH_TOKEN}",
            ] {
                assert!(
                    reason.contains(text) && !reason.contains("CANARY"),
                    "{reason}"
                );
            }
        }
        assert_eq!(authority.standing().asked, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_while_a_system_is_down_for_another_reason_is_told() {
    let is_of_tokens = Arc::new(AtomicBool::new(false));
    let of_tokens = is_of_tokens.clone();
    let server = FakeServer::start(move |seen| {
        match (seen.path.as_str(), of_tokens.load(Ordering::Relaxed)) {
            ("/token", true) => Reply::of(401, r#"{"error":"invalid_client"}"#),
            ("/token", false) => Reply::of(200, r#"{"access_token":"token-1","expires_in":1}"#),
            _ => Reply::of(500, "{}"),
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let store = Place::Sqlite(directory.path().join("state.db"))
        .open()
        .await;
    let clock = ManualClock::default();
    let system = system(&server.url, &format!("{}/token", server.url));
    let client = system.client_with(&store, &by(&clock));
    while !client.is_down() {
        client.send(things(&server.url)).await.unwrap_err();
    }
    assert_eq!(outage(&store, true).await.unwrap().0, "transient");
    is_of_tokens.store(true, Ordering::Relaxed);
    let told = async {
        while outage(&store, true).await.unwrap().0 != "unauthorised" {
            try_again(&client, &server, &clock).await;
        }
    };
    timeout(Duration::from_secs(60), told).await.unwrap();
    assert!(
        outage(&store, true)
            .await
            .unwrap()
            .1
            .contains("invalid_client")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waited_for_tokens_is_not_made_where_the_system_is_to_be_left_alone_meanwhile()
 {
    let authority = Authority::start(100).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Place::Sqlite(directory.path().join("state.db"))
        .open()
        .await;
    let client = authority.system().client(&store);
    authority.close_gate();
    let sending = tokio::spawn({
        let (client, url) = (client.clone(), authority.url.clone());
        async move { client.send(things(&url)).await.map(drop) }
    });
    until(|| authority.waiting() == 1).await;
    store
        .hold_system("shop", Duration::from_secs(3600))
        .await
        .unwrap();
    // Another request finds the hold, when it is time to read the store again.
    let told = async {
        loop {
            let other = timeout(
                Duration::from_millis(50),
                client.send(things(&authority.url)),
            )
            .await;
            if other.is_ok_and(|answer| answer.is_err_and(|failure| failure.retry_after.is_some()))
            {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), told).await.unwrap();
    authority.open_gate();
    let failure = sending.await.unwrap().unwrap_err();
    assert!(
        failure.not_sent && failure.class == FailureClass::Throttled,
        "{failure}"
    );
    assert_eq!(
        (authority.standing().issued, authority.standing().served),
        (1, 0)
    );
}
