//! Parked records.

use std::{sync::Arc, time::Duration};

use pomost_models::{Batch, DeadLetter, Record};

use super::{
    MINUTE,
    changes::{batch, expect},
    dead_letters::letter,
    manual, read,
};
use crate::{ClaimToken, ParkedClaim, Store};

fn taking(ttl: Duration, limit: u32) -> ParkedClaim {
    ParkedClaim {
        token: ClaimToken::generate(),
        ttl,
        limit,
    }
}

/// What comes back, of all keys.
async fn take(store: &Arc<dyn Store>) -> Vec<(String, String)> {
    let taken = store
        .claim_parked("customers", None, taking(MINUTE, 10))
        .await
        .unwrap();
    let record = |batch: &Batch| {
        let Record { key, version, .. } = &batch.records[0];
        (key.clone(), version.to_string())
    };
    let mut records: Vec<_> = taken.iter().map(record).collect();
    records.sort();
    records
}

fn records(records: &[(&str, &str)]) -> Vec<(String, String)> {
    records
        .iter()
        .map(|(key, version)| ((*key).to_owned(), (*version).to_owned()))
        .collect()
}

/// It comes back as it was, one at a time of each key.
pub async fn a_parked_record_comes_back_when_nothing_is_before_it(store: Arc<dyn Store>) {
    let (first, later) = (
        batch("1", &[("a", "1")]),
        batch("2", &[("a", "2"), ("a", "3"), ("b", "1")]),
    );
    expect(&store, &first).await;
    expect(&store, &later).await;
    store.park(&later).await.unwrap();
    store.park(&later).await.unwrap();
    assert_eq!(take(&store).await, records(&[("b", "1")]));
    store.settle_changes(&first).await.unwrap();
    let taking = taking(Duration::ZERO, 10);
    assert!(
        store
            .claim_parked("customers", Some(&["b"]), taking)
            .await
            .unwrap()
            .is_empty()
    );
    let released = store
        .claim_parked("customers", Some(&["b", "a"]), taking)
        .await
        .unwrap();
    assert_eq!(released.len(), 1);
    let whole = later.with_records(vec![later.records[0].clone()]);
    assert_eq!(released[0].encode(), whole.encode());
    store.settle_changes(&whole).await.unwrap();
    store.delete_parked(taking.token, &released).await.unwrap();
    assert_eq!(take(&store).await, records(&[("a", "3")]));
}

/// The page was read again after a crash, and what was published of it before is under way all the same.
pub async fn a_slot_that_was_read_twice_is_parked_twice_and_waited_for_once(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let dead = batch("1", &[("a", "1")]);
    let again = |row| Batch {
        run,
        ..batch("2", &[("a", &read("2", row))])
    };
    let (first, second) = (again(1), again(2));
    for noted in [&dead, &first, &second] {
        expect(&store, noted).await;
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
        let taking = taking(MINUTE, 10);
        let released = store.claim_parked("customers", None, taking).await.unwrap();
        assert_eq!(
            released.iter().map(Batch::encode).collect::<Vec<_>>(),
            [read.encode()]
        );
        store.delete_parked(taking.token, &released).await.unwrap();
        store.settle_changes(&read).await.unwrap();
    }
    assert_eq!(take(&store).await, []);
}

/// An earlier change may come up while it is published.
pub async fn a_record_that_is_parked_again_is_not_forgotten_by_who_took_it(store: Arc<dyn Store>) {
    let parked = batch("1", &[("a", "1")]);
    store.park(&parked).await.unwrap();
    let (first, second) = (taking(Duration::ZERO, 10), taking(Duration::ZERO, 10));
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
    assert!(take(&store).await.is_empty());
}

/// Whoever took it is about to publish it.
pub async fn a_record_that_is_taken_from_the_park_is_nobody_else_s_for_a_while(
    store: Arc<dyn Store>,
) {
    store
        .park(&batch("1", &[("a", "1"), ("b", "1")]))
        .await
        .unwrap();
    assert_eq!(
        store
            .claim_parked("customers", None, taking(Duration::ZERO, 1))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(take(&store).await.len(), 2);
    assert_eq!(take(&store).await, []);
}

/// Who took it could not publish it, or is to end.
pub async fn a_record_that_is_given_back_to_the_park_is_anybody_s_again(store: Arc<dyn Store>) {
    let taking = taking(MINUTE, 10);
    store.park(&batch("1", &[("a", "1")])).await.unwrap();
    assert_eq!(
        store
            .claim_parked("customers", None, taking)
            .await
            .unwrap()
            .len(),
        1
    );
    store
        .release_parked("customers", ClaimToken::generate())
        .await
        .unwrap();
    assert_eq!(take(&store).await, []);
    store
        .release_parked("customers", taking.token)
        .await
        .unwrap();
    assert_eq!(take(&store).await, records(&[("a", "1")]));
}

/// Those that wait for it can be told from those that wait for what is under way.
pub async fn a_dead_change_blocks_those_behind_it_until_it_is_discarded(store: Arc<dyn Store>) {
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
    assert_eq!(take(&store).await, []);
    assert_eq!(store.discard_dead_letters(&[letter.id]).await.unwrap(), 1);
    assert_eq!(blocked().await, 0);
    assert_eq!(take(&store).await, records(&[("a", "2")]));
}
