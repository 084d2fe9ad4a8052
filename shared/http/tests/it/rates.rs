//! Rate limits that replicas share.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use pomost_http::{Failure, FailureClass, SystemClient};
use pomost_models::Lane;
use pomost_store::Store;
use tokio::time::timeout;

use crate::support::{Authority, FakeServer, Place, Reply, SystemFile, on_both, things};

/// Two clients of the system, each with a connection to the store of its own.
async fn two(system: &SystemFile, place: &Place) -> [SystemClient; 2] {
    let stores: [Arc<dyn Store>; 2] = [place.open().await, place.open().await];
    stores.map(|store| system.client(&store))
}

async fn throttled(client: &SystemClient, server: &str) -> Failure {
    let failure = client.send(things(server)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Throttled, "{failure}");
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_all_replicas_are_spread_evenly() {
    on_both(|place| async move {
        let server = FakeServer::start(|_| Reply::ok()).await;
        let clients = two(
            &SystemFile::at(&server.url).with("rate_limit: 100/10s"),
            &place,
        )
        .await;
        let began = Instant::now();
        let sending = (0..10).map(|number| clients[number % 2].send(things(&server.url)));
        join_all(sending)
            .await
            .into_iter()
            .for_each(|answer| drop(answer.unwrap()));
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(900), "{took:?}");
        assert_eq!(server.requests().len(), 10);
    })
    .await;
}

#[tokio::test]
async fn what_was_not_used_may_come_later_at_once_and_no_more() {
    let server = FakeServer::start(|_| Reply::ok()).await;
    let client = SystemFile::at(&server.url)
        .with("rate_limit: { limit: 1/h, burst: 4 }")
        .lone()
        .await;
    for _ in 0..5 {
        client.send(things(&server.url)).await.unwrap();
    }
    for _ in 0..3 {
        let left = throttled(&client, &server.url).await.retry_after.unwrap();
        assert!(
            left > Duration::from_secs(3000) && left <= Duration::from_secs(3600),
            "{left:?}"
        );
    }
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_replica_is_told_to_wait_the_others_wait_as_well() {
    const BY_RULE: &str = "answers: [{ status: 403, means: throttled }]";
    for (status, asked, lines) in [
        (429, "300", "rate_limit: 50/s"),
        (503, "300.0", "rate_limit: 50/s"),
        (503, "300", ""),
        (403, "300", BY_RULE),
    ] {
        on_both(|place| async move {
            let server =
                FakeServer::start(move |_| Reply::of(status, "{}").with("retry-after", asked))
                    .await;
            let [one, other] = two(&SystemFile::at(&server.url).with(lines), &place).await;
            assert_eq!(throttled(&one, &server.url).await.status, Some(status));
            // All at once, as the requests of a batch: nobody has looked before.
            for told in join_all((0..10).map(|_| throttled(&other, &server.url))).await {
                let left = told.retry_after.unwrap().as_secs();
                assert!(told.not_sent && left > 200 && left <= 300, "{told}");
            }
            assert_eq!(server.requests().len(), 1);
        })
        .await;
    }
}

/// Replicas that were told to wait, and those that only looked.
#[tokio::test(flavor = "multi_thread")]
async fn when_a_hold_is_released_all_replicas_make_requests_again_within_a_second() {
    for limit in ["", "rate_limit: 200/s"] {
        on_both(|place| async move {
            let first = AtomicBool::new(true);
            let server = FakeServer::start(move |_| match first.swap(false, Ordering::SeqCst) {
                true => Reply::of(503, "{}").with("retry-after", "300"),
                false => Reply::ok(),
            })
            .await;
            let clients = two(&SystemFile::at(&server.url).with(limit), &place).await;
            assert_eq!(throttled(&clients[0], &server.url).await.status, Some(503));
            assert!(throttled(&clients[1], &server.url).await.not_sent);
            let resting = tokio::spawn({
                let client = clients[0].clone();
                async move { client.rest(Duration::from_secs(300)).await }
            });
            tokio::task::yield_now().await;
            assert!(!resting.is_finished());
            let store = place.open().await;
            store.release_hold("shop").await.unwrap();
            let released = Instant::now();
            for client in &clients {
                while client.send(things(&server.url)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            resting.await.unwrap();
            let took = released.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?}");
            let again = Duration::from_secs(300);
            store.hold_system("shop", again).await.unwrap();
            while clients[0].send(things(&server.url)).await.is_ok() {}
        })
        .await;
    }
}

/// The other one asks all the while, and had looked just before.
#[tokio::test(flavor = "multi_thread")]
async fn when_one_replica_is_told_that_the_system_is_not_ready_the_others_stop_within_a_second() {
    for limit in ["", "rate_limit: 200/s"] {
        on_both(|place| async move {
            let server = FakeServer::start(|seen| match seen.query_text.as_str() {
                "refused" => Reply::of(503, "{}").with("retry-after", "300.0"),
                _ => Reply::ok(),
            })
            .await;
            let [one, other] = two(&SystemFile::at(&server.url).with(limit), &place).await;
            other.send(things(&server.url)).await.unwrap();
            let mut refused = things(&server.url);
            refused.url.set_query(Some("refused"));
            assert_eq!(one.send(refused).await.unwrap_err().status, Some(503));
            let told = Instant::now();
            while other.send(things(&server.url)).await.is_ok() {}
            assert!(
                told.elapsed() < Duration::from_secs(1),
                "{:?}",
                told.elapsed()
            );
        })
        .await;
    }
}

#[tokio::test]
async fn requests_that_wait_for_their_turns_are_not_made_once_one_was_told_that_the_system_is_not_ready()
 {
    let server = FakeServer::start(|_| Reply::of(503, "{}").with("retry-after", "300")).await;
    let client = SystemFile::at(&server.url)
        .with("rate_limit: 1/s")
        .lone()
        .await;
    let failures = join_all((0..8).map(|_| client.send(things(&server.url)))).await;
    let told = failures
        .into_iter()
        .filter(|failure| failure.as_ref().unwrap_err().not_sent)
        .count();
    assert_eq!((told, server.requests().len()), (7, 1));
}

/// The replicas wait for a second, and go on at half the rate.
#[tokio::test(flavor = "multi_thread")]
async fn when_one_replica_asked_too_often_and_no_time_is_named_all_wait_and_then_ask_half_as_often()
{
    on_both(|place| async move {
        let first = AtomicBool::new(true);
        let server = FakeServer::start(move |_| match first.swap(false, Ordering::SeqCst) {
            true => Reply::of(429, "{}"),
            false => Reply::ok(),
        })
        .await;
        let [one, other] = two(&SystemFile::at(&server.url).with("rate_limit: 2/s"), &place).await;
        let began = Instant::now();
        assert_eq!(throttled(&one, &server.url).await.status, Some(429));
        for milliseconds in [900, 1800] {
            other.send(things(&server.url)).await.unwrap();
            let took = began.elapsed();
            assert!(took >= Duration::from_millis(milliseconds), "{took:?}");
        }
    })
    .await;
}

/// A bucket that holds five requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_half_the_rate_and_names_no_time_refuses_hardly_any() {
    on_both(|place| async move {
        let (taken, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (began, counted) = (Instant::now(), (taken.clone(), refused.clone()));
        let server = FakeServer::start(move |_| {
            let allowed = 5 + began.elapsed().as_millis() as usize / 50;
            match counted
                .0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                    (taken < allowed).then_some(taken.max(allowed - 5) + 1)
                }) {
                Ok(_) => Reply::ok(),
                Err(_) => {
                    counted.1.fetch_add(1, Ordering::SeqCst);
                    Reply::of(429, "{}")
                }
            }
        })
        .await;
        let clients = two(
            &SystemFile::at(&server.url).with("rate_limit: 40/s"),
            &place,
        )
        .await;
        join_all((0..120).map(|number| clients[number % 2].send(things(&server.url)))).await;
        let (seen, refused) = (server.requests().len(), refused.load(Ordering::SeqCst));
        assert!(
            refused > 0 && refused * 8 <= seen,
            "{refused} of {seen} were refused"
        );
    })
    .await;
}

/// Requests that leave others their turns take no slots long before their times.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_request_does_not_wait_for_those_behind_it_in_another_process() {
    on_both(|place| async move {
        let server = FakeServer::start(|_| Reply::ok()).await;
        let [live, other] = two(
            &SystemFile::at(&server.url).with("rate_limit: 10/s"),
            &place,
        )
        .await;
        let (behind, url) = (other.in_lane(Lane::Backfill), server.url.clone());
        let sending =
            tokio::spawn(async move { join_all((0..30).map(|_| behind.send(things(&url)))).await });
        while server.requests().len() < 3 {
            tokio::task::yield_now().await;
        }
        let mut call = things(&server.url);
        call.url.set_query(Some("live"));
        let before = server.requests().len();
        live.send(call).await.unwrap();
        let place = server
            .requests()
            .iter()
            .position(|seen| seen.query_text == "live")
            .unwrap();
        assert!(place <= before + 3, "{} went before it", place - before);
        sending.abort();
    })
    .await;
}

#[tokio::test]
async fn those_who_waited_for_the_end_of_a_pause_do_not_go_all_at_once() {
    let server = FakeServer::start(|_| Reply::ok().with("ratelimit", "\"default\";r=0;t=1")).await;
    let client = SystemFile::at(&server.url)
        .with("rate_limit: 4/s")
        .lone()
        .await;
    let began = Instant::now();
    client.send(things(&server.url)).await.unwrap();
    let sending = (0..2).map(|_| client.send(things(&server.url)));
    join_all(sending)
        .await
        .into_iter()
        .for_each(|answer| drop(answer.unwrap()));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1250), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_under_new_tokens_is_one_more_request() {
    let authority = Authority::start(1).await;
    let client = authority
        .system()
        .with("rate_limit: { limit: 1/h, burst: 1 }")
        .lone()
        .await;
    client.send(things(&authority.url)).await.unwrap();
    let failure = throttled(&client, &authority.url).await;
    assert!(failure.message.contains("rate limit"), "{failure}");
    assert_eq!(authority.standing().served, 1);
}

#[tokio::test]
async fn at_the_end_of_the_process_nobody_waits_for_a_slot() {
    let server = FakeServer::start(|_| Reply::ok()).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Place::Sqlite(directory.path().join("state.db"))
        .open()
        .await;
    let clients = SystemFile::at(&server.url)
        .with("rate_limit: 2/m")
        .clients(&store);
    let client = clients.of("shop").unwrap();
    client.send(things(&server.url)).await.unwrap();
    let mut waiting = pin!(client.send(things(&server.url)));
    assert!(
        timeout(Duration::from_millis(100), &mut waiting)
            .await
            .is_err()
    );
    clients.close();
    let failure = timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.retry_after),
        (FailureClass::Throttled, None)
    );
    assert_eq!(server.requests().len(), 1);
}
