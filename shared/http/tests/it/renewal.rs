//! Tokens that are renewed, with refresh tokens that are good for one use.

use std::time::Duration;

use futures_util::future::join_all;
use pomost_http::{Failure, FailureClass, ManualClock, SystemClient};

use crate::support::{Authority, Fault, Place, by, on_both, things};

/// Waits for a condition.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("the condition did not come true");
}

/// Asks for things until the server says that it is enough. New tokens may be used up by others
/// before a refused request is sent again; then it is refused for good, and its worker tries later.
/// Where that happens often, the system seems to be down for a while.
pub(crate) async fn work(client: &SystemClient, url: &str) {
    loop {
        match client.send(things(url)).await {
            Ok(answer) if answer.body.ends_with(b"true}") => return,
            Err(failure) if failure.not_sent => client.until_ready().await,
            Err(failure) => assert_eq!(failure.status, Some(401), "{failure}"),
            Ok(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_share_one_renewal_of_each_expiry() {
    on_both(|place| async move {
        let authority = Authority::start(20).await;
        authority.change(|state| state.until = 60);
        let mut workers = Vec::new();
        for _ in 0..3 {
            let client = authority.system().client(&place.open().await);
            workers.extend((0..17).map(|_| {
                let (client, url) = (client.clone(), authority.url.clone());
                tokio::spawn(async move { work(&client, &url).await })
            }));
        }
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        let standing = authority.standing();
        assert_eq!(
            (standing.reused, standing.premature),
            (0, 0),
            "{standing:?}"
        );
        assert_eq!(
            (standing.expired, standing.issued, standing.asked),
            (60, 61, 61),
            "{standing:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_is_sent_again_once_under_new_tokens() {
    let authority = Authority::start(100).await;
    let client = authority.system().lone().await;
    client.send(things(&authority.url)).await.unwrap();
    authority.expire();
    client.send(things(&authority.url)).await.unwrap();
    assert_eq!(
        (authority.standing().issued, authority.standing().served),
        (2, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_refuses_every_token_gets_a_few_and_then_fewer() {
    let authority = Authority::start(0).await;
    let client = authority.system().lone().await;
    for _ in 0..10 {
        let failure = client.send(things(&authority.url)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unauthorised, "{failure}");
    }
    let standing = authority.standing();
    assert!((2..=4).contains(&standing.asked), "{standing:?}");
    assert_eq!(standing.reused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_expire() {
    let authority = Authority::start(usize::MAX).await;
    authority.change(|state| state.expires_in = Some(3600));
    let clock = ManualClock::default();
    let client = authority.system().lone_with(&by(&clock)).await;
    client.send(things(&authority.url)).await.unwrap();
    clock.advance(Duration::from_secs(3539));
    client.send(things(&authority.url)).await.unwrap();
    assert_eq!(authority.standing().issued, 1);
    clock.advance(Duration::from_secs(2));
    client.send(things(&authority.url)).await.unwrap();
    assert_eq!(authority.standing().issued, 2);
    assert_eq!(
        (authority.standing().premature, authority.standing().reused),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_stays_where_no_new_one_comes() {
    let authority = Authority::start(1).await;
    authority.change(|state| state.keeps_refresh_token = true);
    let client = authority.system().lone().await;
    for _ in 0..3 {
        client.send(things(&authority.url)).await.unwrap();
    }
    assert_eq!(
        (authority.standing().issued, authority.standing().reused),
        (3, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_goes_on_with_the_tokens_of_the_last() {
    on_both(|place| async move {
        let authority = Authority::start(100).await;
        for _ in 0..2 {
            authority
                .system()
                .client(&place.open().await)
                .send(things(&authority.url))
                .await
                .unwrap();
        }
        assert_eq!(authority.standing().asked, 1);
        authority.expire();
        authority
            .system()
            .client(&place.open().await)
            .send(things(&authority.url))
            .await
            .unwrap();
        assert_eq!(
            (authority.standing().issued, authority.standing().reused),
            (2, 0)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_whose_answer_was_lost_needs_new_authorisation_until_there_is_another() {
    on_both(|place| async move {
        let authority = Authority::start(100).await;
        let system = authority.system();
        let client = system.client(&place.open().await);
        client.send(things(&authority.url)).await.unwrap();
        authority.change(|state| state.fault = Some(Fault::AnswerLost));
        authority.expire();
        let lost = client.send(things(&authority.url)).await.unwrap_err();
        assert_eq!(lost.class, FailureClass::Unreachable, "{lost}");
        let refused = refused(&system.client(&place.open().await), &authority).await;
        assert!(
            refused.message.contains("shop: needs new authorisation"),
            "{refused}"
        );
        assert!(
            refused.message.contains("${REFRESH_TOKEN}") && !refused.message.contains("CANARY"),
            "{refused}"
        );
        // Another replica knows without asking.
        let asked = authority.standing().asked;
        let elsewhere = system
            .client(&place.open().await)
            .send(things(&authority.url))
            .await
            .unwrap_err();
        assert!(
            elsewhere.message.contains("needs new authorisation"),
            "{elsewhere}"
        );
        assert_eq!(authority.standing().asked, asked);
        // A person authorised us again.
        let again = system.set(
            "REFRESH_TOKEN",
            format!("refresh-CANARY-{}", authority.standing().issued),
        );
        again
            .client(&place.open().await)
            .send(things(&authority.url))
            .await
            .unwrap();
    })
    .await;
}

/// Asks until the credentials are refused.
async fn refused(client: &SystemClient, authority: &Authority) -> Failure {
    let asking = async {
        loop {
            let failure = client.send(things(&authority.url)).await.unwrap_err();
            if failure.class == FailureClass::Unauthorised {
                return failure;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_server_that_is_not_ready_is_waited_for() {
    let authority = Authority::start(100).await;
    authority.change(|state| state.fault = Some(Fault::Unavailable));
    let clock = ManualClock::default();
    let client = authority.system().lone_with(&by(&clock)).await;
    let failure = client.send(things(&authority.url)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Throttled, "{failure}");
    clock.advance(Duration::from_secs(1));
    client.send(things(&authority.url)).await.unwrap();
    assert_eq!(
        (authority.standing().asked, authority.standing().reused),
        (2, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_due_are_used_while_there_are_no_new_ones() {
    let authority = Authority::start(usize::MAX).await;
    authority.change(|state| state.expires_in = Some(3600));
    let clock = ManualClock::default();
    let client = authority.system().lone_with(&by(&clock)).await;
    client.send(things(&authority.url)).await.unwrap();
    authority.change(|state| state.fault = Some(Fault::Unavailable));
    clock.advance(Duration::from_secs(3541));
    client.send(things(&authority.url)).await.unwrap();
    assert_eq!(authority.standing().asked, 2);
    client.send(things(&authority.url)).await.unwrap();
    assert!(!client.is_down());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_brought_to_its_end_also_when_nobody_waits_for_it() {
    on_both(|place| async move {
        let authority = Authority::start(100).await;
        let clients = authority.system().clients(&place.open().await);
        authority.close_gate();
        let (client, url) = (clients.of("shop").unwrap().clone(), authority.url.clone());
        let sending = tokio::spawn(async move { client.send(things(&url)).await.map(drop) });
        until(|| authority.waiting() == 1).await;
        sending.abort();
        assert!(sending.await.unwrap_err().is_cancelled());
        authority.open_gate();
        clients.finish().await;
        assert_eq!(
            (authority.standing().asked, authority.standing().issued),
            (1, 1)
        );
        authority
            .system()
            .client(&place.open().await)
            .send(things(&authority.url))
            .await
            .unwrap();
        assert_eq!(
            (authority.standing().asked, authority.standing().reused),
            (1, 0)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tokens_wait_for_a_store_that_is_away_and_are_used_only_when_they_are_stored() {
    on_both(|place: Place| async move {
        let authority = Authority::start(100).await;
        let client = authority.system().client(&place.open().await);
        authority.close_gate();
        let url = authority.url.clone();
        let sending = tokio::spawn(async move { client.send(things(&url)).await.map(drop) });
        until(|| authority.waiting() == 1).await;
        place
            .execute("ALTER TABLE grants RENAME TO grants_away")
            .await;
        authority.open_gate();
        until(|| authority.standing().issued == 1).await;
        let used = until(|| authority.standing().served > 0);
        tokio::time::timeout(Duration::from_millis(300), used)
            .await
            .expect_err("they were used");
        place
            .execute("ALTER TABLE grants_away RENAME TO grants")
            .await;
        sending.await.unwrap().unwrap();
        assert_eq!(
            (authority.standing().asked, authority.standing().served),
            (1, 1)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_not_readable_in_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = Place::Sqlite(path.clone()).open().await;
    let authority = Authority::start(100).await;
    authority
        .system()
        .client(&store)
        .send(things(&authority.url))
        .await
        .unwrap();
    let sealed: Vec<u8> = rusqlite::Connection::open(path)
        .unwrap()
        .query_row(
            "SELECT sealed FROM grants WHERE system = 'shop'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(!sealed.is_empty() && !sealed.windows(6).any(|bytes| bytes == b"CANARY"));
}
