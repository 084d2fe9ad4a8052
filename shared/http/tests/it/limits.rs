//! Systems that say how much they take.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use pomost_http::FailureClass;

use crate::support::{FakeServer, Reply, SystemFile, things};

#[tokio::test]
async fn where_nothing_remains_no_request_is_started_before_the_reset() {
    let server = FakeServer::start(|_| {
        Reply::ok()
            .with("x-ratelimit-remaining", 0)
            .with("x-ratelimit-reset", 3000)
    })
    .await;
    let client = SystemFile::at(&server.url).lone().await;
    client.send(things(&server.url)).await.unwrap();
    for _ in 0..5 {
        let failure = client.send(things(&server.url)).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Throttled);
        let left = failure.retry_after.unwrap();
        assert!(
            left > Duration::from_secs(2900) && left <= Duration::from_secs(3000),
            "{left:?}"
        );
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_short_pause_is_waited_for() {
    let first = AtomicBool::new(true);
    let server = FakeServer::start(move |_| match first.swap(false, Ordering::SeqCst) {
        true => Reply::ok().with("ratelimit", "\"default\";r=0;t=1"),
        false => Reply::ok().with("ratelimit", "\"default\";r=9;t=60"),
    })
    .await;
    let client = SystemFile::at(&server.url).lone().await;
    client.send(things(&server.url)).await.unwrap();
    let began = Instant::now();
    client.send(things(&server.url)).await.unwrap();
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    client.send(things(&server.url)).await.unwrap();
}

#[tokio::test]
async fn too_many_requests_take_the_reset_for_their_delay_and_stop_the_others() {
    let server = FakeServer::start(|_| Reply::of(429, "{}").with("ratelimit-reset", 60)).await;
    let client = SystemFile::at(&server.url).lone().await;
    let failure = client.send(things(&server.url)).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.retry_after),
        (FailureClass::Throttled, Some(Duration::from_secs(60)))
    );
    assert_eq!(
        client.send(things(&server.url)).await.unwrap_err().class,
        FailureClass::Throttled
    );
    assert_eq!(server.requests().len(), 1);
}
