//! Claims, settlements and outcomes of many workers at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use pomost_models::Outcome;
use tokio::task::JoinHandle;

use super::support::{Dice, MINUTE, Worker, applied, claimed, manual, mask};
use crate::{BatchSettlement, ClaimResult, ClaimToken, SettledState, Store};

const WORKERS: u64 = 6;
const ROUNDS: u64 = 40;
const VERSIONS: usize = 10;

fn is_claimed(result: &ClaimResult) -> bool {
    matches!(
        result,
        ClaimResult::Claimed(_) | ClaimResult::InDoubt { .. }
    )
}

async fn join_all(tasks: impl Iterator<Item = JoinHandle<()>>) {
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Two workers never believe at the same time that they hold the same key.
pub async fn no_worker_holds_a_key_that_another_holds(store: Arc<dyn Store>) {
    let holders: Arc<Mutex<HashMap<usize, ClaimToken>>> = Arc::default();
    let tasks = (0..WORKERS).map(|worker| {
        let (store, holders) = (store.clone(), holders.clone());
        tokio::spawn(async move {
            let mut dice = Dice(worker);
            for _ in 0..ROUNDS {
                let (worker, key) = (Worker::new(&store), dice.roll(3));
                let name = key.to_string();
                if is_claimed(&worker.claim(&name, "1", dice.roll(200) as u8).await) {
                    assert_eq!(holders.lock().unwrap().insert(key, worker.token), None);
                    tokio::task::yield_now().await;
                    assert_eq!(holders.lock().unwrap().remove(&key), Some(worker.token));
                    assert!(
                        worker
                            .settle(&name, SettledState::Released)
                            .await
                            .is_empty()
                    );
                }
            }
        })
    });
    join_all(tasks).await;
}

/// Workers claim and settle the same keys, each in another order, and all of them succeed.
pub async fn batches_with_the_same_keys_in_any_order_do_not_block_each_other(
    store: Arc<dyn Store>,
) {
    let tasks = (0..WORKERS).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut dice = Dice(worker);
            for round in 0..ROUNDS {
                let (mut keys, version) = (
                    (0..40).map(|key| key.to_string()).collect::<Vec<_>>(),
                    round.to_string(),
                );
                keys.rotate_left(dice.roll(40));
                if worker % 2 == 1 {
                    keys.reverse();
                }
                let entries: Vec<_> = keys
                    .iter()
                    .map(|key| (key.as_str(), version.as_str(), worker as u8))
                    .collect();
                let worker = Worker::new(&store);
                let results = worker.claim_for(MINUTE, &entries).await;
                let ours = entries
                    .iter()
                    .zip(&results)
                    .filter(|(_, result)| is_claimed(result));
                let settled: Vec<_> = ours
                    .map(|((key, version, content), _)| (*key, applied(key, version, *content)))
                    .collect();
                assert!(
                    store
                        .settle(&worker.settlement(&settled))
                        .await
                        .unwrap()
                        .is_empty()
                );
            }
        })
    });
    join_all(tasks).await;
}

/// Versions of one key arrive at many workers in any order, and the newest is applied last.
pub async fn the_ledger_ends_at_the_newest_version_whoever_wins_the_races(store: Arc<dyn Store>) {
    let newest: Arc<Vec<Mutex<usize>>> = Arc::new((0..ROUNDS).map(|_| Mutex::default()).collect());
    let tasks = (0..WORKERS).map(|worker| {
        let (store, newest) = (store.clone(), newest.clone());
        tokio::spawn(async move {
            let mut dice = Dice(worker);
            for (key, newest) in newest.iter().enumerate() {
                for _ in 0..VERSIONS {
                    apply_in_order(&store, &key.to_string(), dice.roll(VERSIONS), newest).await;
                }
            }
        })
    });
    join_all(tasks).await;
    for (key, newest) in newest.iter().enumerate() {
        let (key, newest) = (key.to_string(), *newest.lock().unwrap());
        assert_eq!(
            Worker::new(&store)
                .claim(&key, &(newest - 1).to_string(), 255)
                .await,
            ClaimResult::Stale
        );
        assert_eq!(
            Worker::new(&store)
                .claim(&key, &newest.to_string(), 255)
                .await,
            claimed(&key)
        );
    }
}

/// Tries until the version was applied or is not needed. Some contents come again in later
/// versions, so that some are unchanged and some are stale.
async fn apply_in_order(store: &Arc<dyn Store>, key: &str, version: usize, newest: &Mutex<usize>) {
    let (text, content) = (version.to_string(), (version % 3) as u8);
    let worker = Worker::new(store);
    let result = loop {
        match worker.claim(key, &text, content).await {
            ClaimResult::ClaimedElsewhere => tokio::task::yield_now().await,
            result => break result,
        }
    };
    if is_claimed(&result) {
        let seen = *newest.lock().unwrap();
        assert!(
            version >= seen,
            "version {version} was let through after {seen}"
        );
    }
    if result != ClaimResult::Stale {
        let mut newest = newest.lock().unwrap();
        *newest = version.max(*newest);
    }
    if is_claimed(&result) {
        worker.settle(key, applied(key, &text, content)).await;
    }
}

/// Retries, filters and the archive of dead letters write to one batch at the same time.
pub async fn outcomes_of_one_batch_recorded_by_many_are_all_kept(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let tasks = (0..WORKERS as u32).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS as u32 {
                let outcomes = mask(&[(round * WORKERS as u32 + worker, Outcome::Created)]);
                if round % 2 == 0 {
                    store.record_outcomes(run, "1", &outcomes).await.unwrap();
                } else {
                    let settlement = Worker::new(&store).settlement(&[]);
                    store
                        .settle(&BatchSettlement {
                            run,
                            outcomes,
                            ..settlement
                        })
                        .await
                        .unwrap();
                }
            }
        })
    });
    join_all(tasks).await;
    let counts = store.run(run).await.unwrap().unwrap().counts;
    assert_eq!(
        (counts.records, counts.count(Outcome::Created)),
        (WORKERS * ROUNDS, WORKERS * ROUNDS)
    );
}
