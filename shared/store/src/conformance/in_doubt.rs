//! Keys in doubt: it is unknown how a request for them ended.

use std::{sync::Arc, time::Duration};

use super::support::{MINUTE, Worker, applied, claimed, in_doubt, known};
use crate::{Claim, ClaimResult, KnownRecord, SettledState, Store};

/// A worker died: it is unknown if it changed something, until another worker applies something.
pub async fn a_claim_that_ran_out_leaves_its_keys_in_doubt_until_something_is_applied(
    store: Arc<dyn Store>,
) {
    Worker::new(&store).apply("k", "1", 1).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "2", 2)])
        .await;
    let finder = Worker::new(&store);
    assert_eq!(finder.claim("k", "2", 2).await, in_doubt(known("k"), 2));
    finder.settle("k", SettledState::Released).await;
    let next = Worker::new(&store);
    assert_eq!(
        next.claim("k", "1", 1).await,
        in_doubt(known("k"), 2),
        "even what was applied before may be gone"
    );
    next.settle("k", applied("k", "2", 2)).await;
    assert_eq!(
        Worker::new(&store).claim("k", "2", 2).await,
        ClaimResult::Unchanged
    );
    assert_eq!(Worker::new(&store).claim("k", "3", 3).await, claimed("k"));
}

/// A worker settles a key as in doubt when it does not know how its request ended.
pub async fn a_key_that_a_worker_left_in_doubt_is_in_doubt_for_the_next(store: Arc<dyn Store>) {
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    worker.settle("k", SettledState::InDoubt).await;
    Worker::new(&store).apply("k", "1", 1).await;
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
}

/// An operator who looked at the destination knows what no worker can find out.
pub async fn an_operator_s_word_resolves_a_key_in_doubt(store: Arc<dyn Store>) {
    for key in ["reported", "abandoned"] {
        Worker::new(&store).apply(key, "1", 1).await;
    }
    let worker = Worker::new(&store);
    worker.claim("reported", "2", 2).await;
    worker.settle("reported", SettledState::InDoubt).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("abandoned", "2", 2)])
        .await;
    for key in ["reported", "abandoned"] {
        assert!(
            store
                .resolve_in_doubt("customers", key, Some("found"))
                .await
                .unwrap()
        );
        let worker = Worker::new(&store);
        assert_eq!(worker.claim(key, "0", 1).await, ClaimResult::Stale);
        let found = ClaimResult::Claimed(KnownRecord {
            id: Some("found".to_owned()),
            ..KnownRecord::default()
        });
        assert_eq!(
            worker.claim(key, "1", 1).await,
            found,
            "what its content is is not known"
        );
        worker.settle(key, SettledState::InDoubt).await;
        assert!(
            store
                .resolve_in_doubt("customers", key, None)
                .await
                .unwrap()
        );
        let absent = ClaimResult::Claimed(KnownRecord {
            incarnation: 1,
            ..KnownRecord::default()
        });
        assert_eq!(
            Worker::new(&store).claim(key, "2", 2).await,
            absent,
            "it is not the one made before"
        );
    }
}

/// Nothing changes either while a worker is about to resolve the doubt, or for an unknown key.
pub async fn an_operator_s_word_changes_nothing_where_a_key_is_not_in_doubt(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "1", 1).await;
    for key in ["k", "never seen"] {
        assert!(
            store
                .resolve_in_doubt("customers", key, None)
                .await
                .unwrap()
        );
    }
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
    assert_eq!(
        Worker::new(&store).claim("never seen", "1", 1).await,
        ClaimResult::Claimed(KnownRecord::default())
    );
    let worker = Worker::new(&store);
    worker.claim("k", "2", 2).await;
    assert!(
        !store
            .resolve_in_doubt("customers", "k", None)
            .await
            .unwrap()
    );
    assert!(
        worker.settle("k", applied("k", "2", 2)).await.is_empty(),
        "its claim was taken away"
    );
}

/// A worker with other content learns which content may have been applied, however many workers
/// came before.
pub async fn while_a_key_is_in_doubt_the_content_attempted_first_is_known(store: Arc<dyn Store>) {
    let released = Worker::new(&store);
    released.claim("k", "1", 9).await;
    released.settle("k", SettledState::Released).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "1", 1)])
        .await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "2", 2)])
        .await;
    for (content, settled) in [
        (3, SettledState::InDoubt),
        (4, SettledState::Released),
        (1, applied("k", "4", 1)),
    ] {
        let worker = Worker::new(&store);
        assert_eq!(
            worker.claim("k", "4", content).await,
            in_doubt(KnownRecord::default(), 1)
        );
        worker.settle("k", settled).await;
    }
    let worker = Worker::new(&store);
    assert_eq!(worker.claim("k", "5", 5).await, claimed("k"));
    worker.settle("k", SettledState::InDoubt).await;
    assert_eq!(
        Worker::new(&store).claim("k", "5", 6).await,
        in_doubt(known("k"), 5)
    );
}

/// A request without a response may take effect later, however often it was looked up meanwhile. A
/// request that got a response has ended.
pub async fn a_request_in_doubt_may_be_in_flight_for_a_while(store: Arc<dyn Store>) {
    for (key, settled) in [
        ("ended", SettledState::InDoubt),
        ("asked", SettledState::StillInFlight),
    ] {
        let worker = Worker::new(&store);
        worker.claim(key, "1", 1).await;
        worker.settle(key, settled).await;
    }
    assert!(!is_still_in_flight(&store, "ended", MINUTE).await);
    assert!(is_still_in_flight(&store, "asked", MINUTE).await);
    while is_still_in_flight(&store, "asked", Duration::from_millis(50)).await {}
    Worker::new(&store).apply("asked", "1", 1).await;
    let worker = Worker::new(&store);
    worker.claim("asked", "2", 2).await;
    worker.settle("asked", SettledState::InDoubt).await;
    assert!(
        !is_still_in_flight(&store, "asked", MINUTE).await,
        "the earlier request has ended"
    );
}

/// The worker may have sent the request at the very end of its claim.
pub async fn a_request_of_an_expired_claim_may_be_in_flight_for_a_while(store: Arc<dyn Store>) {
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "1", 1)])
        .await;
    assert!(is_still_in_flight(&store, "k", MINUTE).await);
    while is_still_in_flight(&store, "k", Duration::from_millis(50)).await {}
    assert!(is_still_in_flight(&store, "k", MINUTE).await);
}

/// Claims a key in doubt and releases it. Returns `true` where its request is still in flight.
async fn is_still_in_flight(store: &Arc<dyn Store>, key: &str, in_flight_for: Duration) -> bool {
    let worker = Worker::new(store);
    let claim = Claim {
        in_flight_for,
        ..worker.claim_of(&[(key, "9", 9)])
    };
    let result = store.claim(&claim, MINUTE).await.unwrap().remove(0);
    worker.settle(key, SettledState::Released).await;
    match result {
        ClaimResult::InDoubt {
            still_in_flight, ..
        } => still_in_flight,
        other => panic!("{other:?}"),
    }
}

/// Content older than what was applied before the doubt is stale, however that request ended.
pub async fn an_older_version_is_stale_even_in_doubt(store: Arc<dyn Store>) {
    Worker::new(&store).apply("k", "3", 1).await;
    Worker::new(&store)
        .claim_for(Duration::ZERO, &[("k", "4", 2)])
        .await;
    assert_eq!(
        Worker::new(&store).claim("k", "2", 3).await,
        ClaimResult::Stale
    );
    assert_eq!(
        Worker::new(&store).claim("k", "4", 2).await,
        in_doubt(known("k"), 2)
    );
}
