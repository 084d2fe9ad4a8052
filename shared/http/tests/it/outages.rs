//! Systems that are down.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use pomost_http::{Failure, FailureClass, ManualClock, SystemClient};
use pomost_store::Store;
use tokio::time::timeout;

use crate::support::{FakeServer, Place, Reply, SystemFile, by, on_both, things};

/// The rest of a system before its first probe.
const REST: Duration = Duration::from_secs(1);

/// A server that answers with a status that can be changed; 0 is no answer at all.
async fn server(status: &Arc<AtomicUsize>) -> FakeServer {
    let status = status.clone();
    FakeServer::start(move |_| match status.load(Ordering::Relaxed) {
        0 => Reply::ok().that_never_ends(),
        status => Reply::of(status as u16, "{}"),
    })
    .await
}

fn answering(status: usize) -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(status))
}

/// Makes requests that fail until the system is seen to be down.
async fn goes_down(client: &SystemClient, server: &FakeServer) {
    while !client.is_down() {
        client.send(things(&server.url)).await.unwrap_err();
    }
}

async fn turned_away(client: &SystemClient, server: &FakeServer) -> Failure {
    let failure = client.send(things(&server.url)).await.unwrap_err();
    assert!(
        failure.not_sent && failure.class == FailureClass::Throttled,
        "{failure}"
    );
    assert_eq!(
        failure.message,
        "shop: GET /things: the system is down; it is tried again by itself"
    );
    failure
}

#[tokio::test]
async fn after_ten_failures_requests_are_turned_away_until_one_that_tries_succeeds() {
    let status = answering(500);
    let server = server(&status).await;
    let clock = ManualClock::default();
    let client = SystemFile::at(&server.url).lone_with(&by(&clock)).await;
    let began = clock.now();
    let mut firsts = Vec::new();
    while !client.is_down() {
        firsts.push(client.send(things(&server.url)).await.unwrap_err().is_first);
    }
    assert_eq!(
        firsts,
        (0..10).map(|number| number == 0).collect::<Vec<_>>()
    );
    assert!(client.has_been_down_since(clock.now()));
    for _ in 0..5 {
        let left = turned_away(&client, &server).await.retry_after.unwrap();
        assert!(left <= Duration::from_secs(1), "{left:?}");
    }
    assert_eq!(server.requests().len(), 10);
    status.store(422, Ordering::Relaxed);
    clock.advance(REST);
    client.until_ready().await;
    assert_eq!(
        client.send(things(&server.url)).await.unwrap_err().class,
        FailureClass::Invalid
    );
    assert!(!client.is_down() && client.may_have_been_down_since(began));
    clock.advance(REST);
    assert!(!client.may_have_been_down_since(clock.now()));
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_replicas_one_at_a_time_tries_whether_the_system_is_back() {
    on_both(|place: Place| async move {
        let status = answering(500);
        let server = server(&status).await;
        let stores: [Arc<dyn Store>; 2] = [place.open().await, place.open().await];
        let clock = ManualClock::default();
        let clients =
            stores.map(|store| SystemFile::at(&server.url).client_with(&store, &by(&clock)));
        for client in &clients {
            goes_down(client, &server).await;
        }
        assert_eq!(server.requests().len(), 20);
        status.store(0, Ordering::Relaxed);
        clock.advance(REST);
        clients[0].until_ready().await;
        let first = tokio::spawn({
            let (client, url) = (clients[0].clone(), server.url.clone());
            async move { client.send(things(&url)).await.map(drop) }
        });
        while server.requests().len() < 21 {
            tokio::task::yield_now().await;
        }
        clients[1].until_ready().await;
        turned_away(&clients[1], &server).await;
        assert_eq!(server.requests().len(), 21);
        first.abort();
        first.await.unwrap_err();
        status.store(200, Ordering::Relaxed);
        // The lease of the probe that was dropped lasts longer than this by itself.
        let tried = async {
            while clients[1].is_down() {
                clock.advance(REST);
                clients[1].until_ready().await;
                let _ = clients[1].send(things(&server.url)).await;
            }
        };
        timeout(Duration::from_secs(20), tried).await.unwrap();
    })
    .await;
}

/// Its caller may have given up.
#[tokio::test]
async fn a_try_that_is_dropped_makes_room_for_the_next() {
    let status = answering(500);
    let server = server(&status).await;
    let clock = ManualClock::default();
    let client = SystemFile::at(&server.url).lone_with(&by(&clock)).await;
    goes_down(&client, &server).await;
    status.store(0, Ordering::Relaxed);
    clock.advance(REST);
    client.until_ready().await;
    {
        let mut hanging = Box::pin(client.send(things(&server.url)));
        poll_fn(|context| {
            assert!(hanging.as_mut().poll(context).is_pending());
            if server.requests().len() > 10 {
                Poll::Ready(())
            } else {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }
    status.store(200, Ordering::Relaxed);
    clock.advance(REST);
    client.until_ready().await;
    client.send(things(&server.url)).await.unwrap();
    assert!(!client.is_down());
}

/// A request that is not sent says nothing about its system.
#[tokio::test]
async fn waiting_of_our_own_is_no_outage() {
    let status = answering(200);
    let server = server(&status).await;
    let client = SystemFile::at(&server.url)
        .with("rate_limit: 1/h")
        .lone()
        .await;
    client.send(things(&server.url)).await.unwrap();
    for _ in 0..20 {
        assert!(client.send(things(&server.url)).await.unwrap_err().not_sent);
    }
    assert!(!client.is_down());
}
