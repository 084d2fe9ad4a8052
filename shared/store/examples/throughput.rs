//! Measures the records per second that the ledger claims and settles, in batches of 100:
//! `cargo run --release -p pomost-store --example throughput -- [ROUNDS]`, with PostgreSQL at
//! `POMOST_TEST_DATABASE_URL` (in the schema `pomost_throughput`, which stays) and SQLite in a
//! temporary file. Each round is new records first, then changes of the same ones.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pomost_models::{Outcome, RunId, SlotOutcomes, Version};
use pomost_store::{
    BatchSettlement, Claim, ClaimEntry, ClaimToken, KnownRecord, SettledEntry, SettledState, Store,
    postgres::PostgresStore, sqlite::SqliteStore,
};

const BATCH: u32 = 100;
const BATCHES: u32 = 200;

#[tokio::main]
async fn main() {
    let rounds: u32 = std::env::args()
        .nth(1)
        .map_or(3, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    print_rates(
        "SQLite",
        rounds,
        Arc::new(
            SqliteStore::open(&directory.path().join("state.db"))
                .await
                .unwrap(),
        ),
    )
    .await;
    let url =
        std::env::var("POMOST_TEST_DATABASE_URL").expect("POMOST_TEST_DATABASE_URL must be set");
    print_rates(
        "PostgreSQL",
        rounds,
        Arc::new(
            PostgresStore::connect(&url, None, "pomost_throughput")
                .await
                .unwrap(),
        ),
    )
    .await;
}

async fn print_rates(name: &str, rounds: u32, store: Arc<dyn Store>) {
    for round in 0..rounds {
        for workers in [1, 4] {
            let flow = format!("flow-{}", ClaimToken::generate());
            let created = all_workers(&store, &flow, workers, "1").await;
            let changed = all_workers(&store, &flow, workers, "2").await;
            println!(
                "{name}, round {round}, {workers} workers: {created:.0} new, {changed:.0} changed records/s"
            );
        }
    }
}

/// Claims and settles all records once, shared among the workers, and returns the records per
/// second.
async fn all_workers(
    store: &Arc<dyn Store>,
    flow: &str,
    workers: u32,
    version: &'static str,
) -> f64 {
    let (started, run) = (Instant::now(), RunId::generate());
    let working: Vec<_> = (0..workers)
        .map(|worker| {
            let (store, flow) = (store.clone(), flow.to_owned());
            tokio::spawn(async move {
                for batch in (worker..BATCHES).step_by(workers as usize) {
                    claim_and_settle(&*store, &flow, run, batch, version).await;
                }
            })
        })
        .collect();
    for worker in working {
        worker.await.unwrap();
    }
    f64::from(BATCHES * BATCH) / started.elapsed().as_secs_f64()
}

async fn claim_and_settle(store: &dyn Store, flow: &str, run: RunId, batch: u32, version: &str) {
    let (token, version) = (ClaimToken::generate(), Version::new(version));
    let hash = *token.0.as_bytes();
    let keys: Vec<String> = (0..BATCH)
        .map(|slot| format!("customer-{}", batch * BATCH + slot))
        .collect();
    let entries = keys
        .iter()
        .map(|key| ClaimEntry {
            key: key.clone(),
            version: version.clone(),
            hash,
            fingerprint: None,
        })
        .collect();
    let claim = Claim {
        flow: flow.to_owned(),
        token,
        entries,
        same_version_type: true,
        latest_only: true,
        in_flight_for: Duration::ZERO,
    };
    let results = store.claim(&claim, Duration::from_secs(60)).await.unwrap();
    assert_eq!(results.len(), keys.len());
    let mut outcomes = SlotOutcomes::waiting(BATCH);
    (0..BATCH).for_each(|slot| outcomes.settle(slot, Outcome::Created));
    let entries = keys.into_iter().map(|key| {
        let known = KnownRecord {
            id: Some(format!("shop-{key}")),
            ..KnownRecord::default()
        };
        let state = SettledState::Applied {
            known,
            version: version.clone(),
            hash,
        };
        SettledEntry { key, state }
    });
    let settlement = BatchSettlement {
        flow: flow.to_owned(),
        token,
        entries: entries.collect(),
        run,
        batch: batch.to_string(),
        outcomes,
    };
    assert!(store.settle(&settlement).await.unwrap().is_empty());
}
