//! Settlements of claimed keys.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, SlotOutcomes};

use super::support::{MINUTE, Worker, applied, manual, mask};
use crate::{BatchSettlement, ClaimResult, KnownRecord, SettledState, Store};

/// A worker that was paused past its claim does not write over its successor and counts no
/// outcomes, since the successor counts those of the same records.
pub async fn a_worker_that_lost_its_claim_cannot_settle_it_and_learns_so(store: Arc<dyn Store>) {
    let paused = Worker::new(&store);
    paused
        .claim_for(Duration::ZERO, &[("lost", "1", 1), ("kept", "1", 1)])
        .await;
    Worker::new(&store).apply("lost", "2", 2).await;
    let entries = [
        ("lost", applied("lost", "1", 1)),
        ("kept", applied("kept", "1", 1)),
        ("never", SettledState::InDoubt),
    ];
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_outcomes(run, "1", &SlotOutcomes::waiting(2))
        .await
        .unwrap();
    let outcomes = mask(&[(0, Outcome::Created), (1, Outcome::Created)]);
    let lost = store
        .settle(&BatchSettlement {
            run,
            outcomes,
            ..paused.settlement(&entries)
        })
        .await
        .unwrap();
    assert_eq!(lost, ["lost", "never"]);
    assert_eq!(store.run(run).await.unwrap().unwrap().counts.waiting, 2);
    let results = Worker::new(&store)
        .claim_for(
            MINUTE,
            &[("lost", "2", 2), ("kept", "1", 1), ("never", "1", 1)],
        )
        .await;
    assert_eq!(
        results,
        [
            ClaimResult::Unchanged,
            ClaimResult::Unchanged,
            ClaimResult::Claimed(KnownRecord::default())
        ]
    );
}

/// The ledger's rows and the outcomes are written together.
pub async fn a_settlement_counts_its_batch(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    store
        .record_outcomes(run, "1", &SlotOutcomes::waiting(3))
        .await
        .unwrap();
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    let outcomes = mask(&[(0, Outcome::Created), (2, Outcome::Stale)]);
    let settlement = BatchSettlement {
        run,
        outcomes,
        ..worker.settlement(&[("k", applied("k", "1", 1))])
    };
    store.settle(&settlement).await.unwrap();
    let again = |outcomes| BatchSettlement {
        entries: Vec::new(),
        outcomes,
        ..settlement.clone()
    };
    store
        .settle(&again(mask(&[(0, Outcome::Updated), (2, Outcome::Dead)])))
        .await
        .unwrap();
    let counts = async || {
        let counts = store.run(run).await.unwrap().unwrap().counts;
        assert_eq!((counts.records, counts.waiting), (3, 1));
        [Outcome::Created, Outcome::Stale, Outcome::Dead].map(|outcome| counts.count(outcome))
    };
    assert_eq!(counts().await, [1, 1, 0], "what is settled stays so");
    store
        .settle(&again(mask(&[(0, Outcome::Dead)])))
        .await
        .unwrap();
    assert_eq!(
        counts().await,
        [0, 1, 1],
        "nobody takes a run with a dead letter for a success"
    );
}

/// A worker that did not learn that it has settled settles again.
pub async fn settling_twice_changes_nothing(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let worker = Worker::new(&store);
    worker.claim("k", "1", 1).await;
    let outcomes = mask(&[(0, Outcome::Created)]);
    let settlement = BatchSettlement {
        run,
        outcomes,
        ..worker.settlement(&[("k", applied("k", "1", 1))])
    };
    assert!(store.settle(&settlement).await.unwrap().is_empty());
    store.settle(&settlement).await.unwrap();
    assert_eq!(store.run(run).await.unwrap().unwrap().counts.records, 1);
    assert_eq!(
        Worker::new(&store).claim("k", "1", 1).await,
        ClaimResult::Unchanged
    );
}
