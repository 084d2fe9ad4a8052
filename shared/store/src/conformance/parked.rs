//! Parked records.

use std::{sync::Arc, time::Duration};

use pomost_models::{Batch, DeadLetter, Record};

use super::{
    changes::{batch, expect},
    dead_letters::letter,
    support::{MINUTE, manual, read},
};
use crate::{ClaimToken, ParkedClaim, Store};

fn parked_claim(ttl: Duration, limit: u32) -> ParkedClaim {
    ParkedClaim {
        token: ClaimToken::generate(),
        ttl,
        limit,
    }
}

/// Claims parked records of all keys, and returns their keys and versions.
async fn claim_all(store: &Arc<dyn Store>) -> Vec<(String, String)> {
    let claimed = store
        .claim_parked("customers", None, parked_claim(MINUTE, 10))
        .await
        .unwrap();
    let record = |batch: &Batch| {
        let Record { key, version, .. } = &batch.records[0];
        (key.clone(), version.to_string())
    };
    let mut records: Vec<_> = claimed.iter().map(record).collect();
    records.sort();
    records
}

fn records(records: &[(&str, &str)]) -> Vec<(String, String)> {
    records
        .iter()
        .map(|(key, version)| ((*key).to_owned(), (*version).to_owned()))
        .collect()
}

/// Records come back as they were, one at a time for each key.
pub async fn a_parked_record_comes_back_when_nothing_blocks_it(store: Arc<dyn Store>) {
    let (first, later) = (
        batch("1", &[("a", "1")]),
        batch("2", &[("a", "2"), ("a", "3"), ("b", "1")]),
    );
    expect(&store, &first).await;
    expect(&store, &later).await;
    store.park(&later).await.unwrap();
    store.park(&later).await.unwrap();
    assert_eq!(claim_all(&store).await, records(&[("b", "1")]));
    store.settle_changes(&first).await.unwrap();
    let claim = parked_claim(Duration::ZERO, 10);
    assert!(
        store
            .claim_parked("customers", Some(&["b"]), claim)
            .await
            .unwrap()
            .is_empty()
    );
    let released = store
        .claim_parked("customers", Some(&["b", "a"]), claim)
        .await
        .unwrap();
    assert_eq!(released.len(), 1);
    let whole = later.with_records(vec![later.records[0].clone()]);
    assert_eq!(released[0].encode(), whole.encode());
    store.settle_changes(&whole).await.unwrap();
    store.delete_parked(claim.token, &released).await.unwrap();
    assert_eq!(claim_all(&store).await, records(&[("a", "3")]));
}

/// The page was read again after a crash, and the records that were published before are in flight
/// all the same.
pub async fn a_slot_that_was_read_twice_is_parked_twice_and_counted_once(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let dead = batch("1", &[("a", "1")]);
    let again = |row| Batch {
        run,
        ..batch("2", &[("a", &read("2", row))])
    };
    let (first, second) = (again(1), again(2));
    for registered in [&dead, &first, &second] {
        expect(&store, registered).await;
    }
    store.park(&second).await.unwrap();
    store.park(&first).await.unwrap();
    let letter = DeadLetter {
        record: dead.records.first().cloned(),
        ..letter(dead.run, "1", 0)
    };
    store
        .archive_dead_letters(std::slice::from_ref(&letter))
        .await
        .unwrap();
    assert_eq!(
        store
            .run(run)
            .await
            .unwrap()
            .unwrap()
            .blocked_by_dead_letters,
        1
    );
    store.discard_dead_letters(&[letter.id]).await.unwrap();
    for read in [first, second] {
        let claim = parked_claim(MINUTE, 10);
        let released = store.claim_parked("customers", None, claim).await.unwrap();
        assert_eq!(
            released.iter().map(Batch::encode).collect::<Vec<_>>(),
            [read.encode()]
        );
        store.delete_parked(claim.token, &released).await.unwrap();
        store.settle_changes(&read).await.unwrap();
    }
    assert_eq!(claim_all(&store).await, []);
}

/// An earlier change may be registered while the record is being published.
pub async fn a_record_that_is_parked_again_is_not_deleted_by_the_worker_that_claimed_it(
    store: Arc<dyn Store>,
) {
    let parked = batch("1", &[("a", "1")]);
    store.park(&parked).await.unwrap();
    let (first, second) = (
        parked_claim(Duration::ZERO, 10),
        parked_claim(Duration::ZERO, 10),
    );
    let released = store.claim_parked("customers", None, first).await.unwrap();
    store.park(&parked).await.unwrap();
    store.delete_parked(first.token, &released).await.unwrap();
    assert_eq!(
        store
            .claim_parked("customers", None, second)
            .await
            .unwrap()
            .len(),
        1
    );
    store.delete_parked(first.token, &released).await.unwrap();
    store.delete_parked(second.token, &released).await.unwrap();
    assert!(claim_all(&store).await.is_empty());
}

/// The worker that claimed the record is about to publish it.
pub async fn a_claimed_parked_record_is_given_to_no_other_worker_for_a_while(
    store: Arc<dyn Store>,
) {
    store
        .park(&batch("1", &[("a", "1"), ("b", "1")]))
        .await
        .unwrap();
    assert_eq!(
        store
            .claim_parked("customers", None, parked_claim(Duration::ZERO, 1))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(claim_all(&store).await.len(), 2);
    assert_eq!(claim_all(&store).await, []);
}

/// The worker that claimed the record could not publish it, or is shutting down.
pub async fn a_released_parked_record_is_given_to_the_next_worker(store: Arc<dyn Store>) {
    let claim = parked_claim(MINUTE, 10);
    store.park(&batch("1", &[("a", "1")])).await.unwrap();
    assert_eq!(
        store
            .claim_parked("customers", None, claim)
            .await
            .unwrap()
            .len(),
        1
    );
    store
        .release_parked("customers", ClaimToken::generate())
        .await
        .unwrap();
    assert_eq!(claim_all(&store).await, []);
    store
        .release_parked("customers", claim.token)
        .await
        .unwrap();
    assert_eq!(claim_all(&store).await, records(&[("a", "1")]));
}

/// Records that a dead change blocks are counted apart from those that wait for records in flight.
pub async fn a_dead_change_blocks_later_ones_until_it_is_discarded(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let (first, later) = (
        batch("1", &[("a", "1")]),
        Batch {
            run,
            ..batch("2", &[("a", "2")])
        },
    );
    expect(&store, &first).await;
    expect(&store, &later).await;
    store.park(&later).await.unwrap();
    let blocked = async || {
        store
            .run(run)
            .await
            .unwrap()
            .unwrap()
            .blocked_by_dead_letters
    };
    assert_eq!(blocked().await, 0);
    let letter = DeadLetter {
        record: first.records.first().cloned(),
        ..letter(first.run, "1", 0)
    };
    store
        .archive_dead_letters(std::slice::from_ref(&letter))
        .await
        .unwrap();
    assert_eq!(blocked().await, 1);
    assert_eq!(claim_all(&store).await, []);
    assert_eq!(store.discard_dead_letters(&[letter.id]).await.unwrap(), 1);
    assert_eq!(blocked().await, 0);
    assert_eq!(claim_all(&store).await, records(&[("a", "2")]));
}
