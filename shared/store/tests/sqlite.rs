//! The store on SQLite.
#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc, time::Duration};

use pomost_models::Version;
use pomost_store::{
    Claim, ClaimEntry, ClaimResult, ClaimToken, Cursors, Error, KnownRecord, LeaseName, Leases,
    Ledger, Store, sqlite::SqliteStore,
};

pomost_store::every_behaviour!(on_a_store);

async fn on_a_store<Behaviour, Running>(behaviour: Behaviour)
where
    Behaviour: FnOnce(Arc<dyn Store>) -> Running,
    Running: Future<Output = ()>,
{
    let directory = tempfile::tempdir().unwrap();
    behaviour(Arc::new(open(directory.path()).await)).await;
}

async fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(&directory.join("state.db"))
        .await
        .unwrap()
}

async fn claim(store: &SqliteStore, version: &str) -> ClaimResult {
    let entry = ClaimEntry {
        key: "k".to_owned(),
        version: Version::new(version),
        hash: [1; 16],
        fingerprint: None,
    };
    let token = ClaimToken::generate();
    let (flow, patience) = ("customers".to_owned(), Duration::from_secs(3600));
    let claim = Claim {
        flow,
        token,
        entries: vec![entry],
        same_version_type: false,
        latest_only: true,
        in_flight_for: patience,
    };
    store
        .claim(&claim, Duration::from_secs(3600))
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test]
async fn what_a_killed_process_held_is_free_when_the_next_one_starts() {
    let directory = tempfile::tempdir().unwrap();
    let (killed, ttl) = (open(directory.path()).await, Duration::from_secs(3600));
    assert_eq!(
        claim(&killed, "1").await,
        ClaimResult::Claimed(KnownRecord::default())
    );
    let lease = killed
        .acquire_lease(LeaseName::Flow("customers".to_owned()), "killed", ttl)
        .await
        .unwrap()
        .unwrap();
    let next = open(directory.path()).await;
    assert_eq!(claim(&next, "1").await, ClaimResult::ClaimedElsewhere);
    next.expire_claims_and_leases().await.unwrap();
    assert_eq!(
        claim(&next, "1").await,
        ClaimResult::InDoubt {
            known: KnownRecord::default(),
            attempted: Some([1; 16]),
            still_in_flight: true
        }
    );
    assert!(
        next.acquire_lease(LeaseName::Flow("customers".to_owned()), "next", ttl)
            .await
            .unwrap()
            .is_some()
    );
    assert!(matches!(
        killed.renew_lease(&lease, ttl).await,
        Err(Error::LeaseLost(_))
    ));
}

#[tokio::test]
async fn two_processes_see_what_the_other_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (open(directory.path()).await, open(directory.path()).await);
    first.set_cursor("customers", Some("5")).await.unwrap();
    assert_eq!(
        second.cursor("customers").await.unwrap().as_deref(),
        Some("5")
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    std::fs::write(
        &path,
        "not a database, but long enough to be looked at as one ".repeat(20),
    )
    .unwrap();
    let Err(error) = SqliteStore::open(&path).await else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("state.db"), "{error}");
}
