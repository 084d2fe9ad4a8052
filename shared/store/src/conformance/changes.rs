//! Changes that are applied one after the other.

use std::{sync::Arc, time::Duration};

use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, Lane, Operation, Record, RunId, Version,
};
use serde_json::value::RawValue;

use super::{MINUTE, Worker, act_on, dead_letters::letter, manual, order, read};
use crate::{Claim, ClaimResult, ClaimToken, ParkedClaim, Store};

fn record(slot: u32, key: &str, version: &str) -> Record {
    let data =
        RawValue::from_string(serde_json::json!({ "version": version }).to_string()).unwrap();
    Record {
        slot,
        key: key.into(),
        version: Version::new(version),
        op: Operation::Upsert,
        data,
        source: None,
    }
}

fn batch(id: &str, records: &[(&str, &str)]) -> Batch {
    let records = (0..)
        .zip(records)
        .map(|(slot, (key, version))| record(slot, key, version))
        .collect();
    let (flow, run) = ("customers".to_owned(), RunId::generate());
    Batch {
        flow,
        run,
        id: id.to_owned(),
        size: 9,
        attempt: 2,
        waits: 3,
        lane: Lane::Live,
        records,
    }
}

fn none(batch: &Batch) -> Vec<Option<AttemptFingerprint>> {
    vec![None; batch.records.len()]
}

async fn expect(store: &Arc<dyn Store>, batch: &Batch) {
    store.expect_changes(&[batch]).await.unwrap();
    store.confirm_changes(&[batch]).await.unwrap();
}

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

/// Versions compare as their types do, and no other flow's count.
pub async fn a_change_is_behind_every_earlier_one_of_its_key_that_has_not_settled(
    store: Arc<dyn Store>,
) {
    let first = batch("1", &[("a", "9"), ("b", "2026-01-01T00:00:00Z")]);
    expect(&store, &first).await;
    expect(
        &store,
        &Batch {
            flow: "orders".into(),
            ..batch("1", &[("c", "1")])
        },
    )
    .await;
    let later = batch(
        "2",
        &[
            ("a", "10"),
            ("a", "9"),
            ("a", "8"),
            ("b", "10"),
            ("b", "2026-01-02T00:00:00Z"),
            ("c", "2"),
        ],
    );
    let behind = store.are_blocked(&later, &none(&later)).await.unwrap();
    assert_eq!(behind, [true, false, false, false, true, false]);
    store.settle_changes(&first).await.unwrap();
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [false; 6]
    );
    expect(&store, &first).await;
    store.forget_changes("customers").await.unwrap();
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [false; 6]
    );
}

/// As they do with a deletion that has no version.
pub async fn changes_of_one_version_wait_for_those_that_were_read_before_them(
    store: Arc<dyn Store>,
) {
    let (first, second, third) = (read("1", 1), read("1", 2), order(3).to_string());
    let changes = batch("1", &[("a", &first), ("a", &second), ("a", &third)]);
    expect(&store, &changes).await;
    assert_eq!(
        store.are_blocked(&changes, &none(&changes)).await.unwrap(),
        [false, true, true]
    );
    let settle = async |slot: usize| {
        store
            .settle_changes(&changes.with_records(vec![changes.records[slot].clone()]))
            .await
            .unwrap();
    };
    settle(0).await;
    assert_eq!(
        store.are_blocked(&changes, &none(&changes)).await.unwrap(),
        [false, false, true]
    );
    settle(1).await;
    assert_eq!(
        store.are_blocked(&changes, &none(&changes)).await.unwrap(),
        [false, false, false]
    );
}

/// It was paused for longer than its lease, and reads the page on that another has read anew.
pub async fn who_was_succeeded_neither_forgets_nor_confirms_what_was_read_after_it(
    store: Arc<dyn Store>,
) {
    let (earlier, later) = (read("1", 1), read("1", 2));
    let successor = batch("1", &[("a", &later)]);
    let paused = Batch {
        run: successor.run,
        ..batch("1", &[("a", &earlier)])
    };
    store.expect_changes(&[&successor]).await.unwrap();
    expect(&store, &paused).await;
    store.settle_changes(&paused).await.unwrap();
    let next = batch("2", &[("a", "2")]);
    assert_eq!(
        store.are_blocked(&next, &none(&next)).await.unwrap(),
        [true]
    );
    store
        .forget_unconfirmed_changes("customers", Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        store.are_blocked(&next, &none(&next)).await.unwrap(),
        [false]
    );
}

/// A page that is read again after a crash may have other records in it. What was published before will settle.
pub async fn a_batch_noted_again_stands_for_the_records_it_has_then(store: Arc<dyn Store>) {
    let (first, published) = (
        batch("1", &[("a", "1"), ("b", "1")]),
        batch("2", &[("d", "1")]),
    );
    store.expect_changes(&[&first]).await.unwrap();
    expect(&store, &published).await;
    store
        .expect_changes(&[&Batch {
            run: first.run,
            ..batch("1", &[("b", "1")])
        }])
        .await
        .unwrap();
    store
        .expect_changes(&[&Batch {
            run: published.run,
            ..batch("2", &[("e", "1")])
        }])
        .await
        .unwrap();
    let later = batch("3", &[("a", "2"), ("b", "2"), ("d", "2"), ("e", "2")]);
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [false, true, true, true]
    );
}

/// Whoever noted it may have died before it published it.
pub async fn a_change_that_was_not_confirmed_is_given_up_after_a_while(store: Arc<dyn Store>) {
    store
        .expect_changes(&[&batch("1", &[("a", "1")])])
        .await
        .unwrap();
    expect(&store, &batch("2", &[("b", "1")])).await;
    let later = batch("3", &[("a", "2"), ("b", "2")]);
    store
        .forget_unconfirmed_changes("customers", MINUTE)
        .await
        .unwrap();
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [true, true]
    );
    store
        .forget_unconfirmed_changes("customers", Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [false, true]
    );
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

/// A newer one was applied without it, by whoever did not wait for it.
pub async fn nobody_waits_for_a_dead_change_that_is_outdated(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let dead = batch("1", &[("a", "1")]);
    expect(&store, &dead).await;
    let letter = DeadLetter {
        record: dead.records.first().cloned(),
        ..letter(run, "1", 0)
    };
    store.archive_dead_letters(&[letter]).await.unwrap();
    let later = batch("2", &[("a", "3")]);
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [true]
    );
    Worker::new(&store).apply("a", "2", 1).await;
    assert_eq!(
        store
            .supersede_dead_letters("customers", &["a"])
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        store.are_blocked(&later, &none(&later)).await.unwrap(),
        [false]
    );
}

/// Orders of extraction are no versions of the source's, and compare with none.
pub async fn a_version_of_another_type_than_the_one_applied_is_refused_by_those_who_ask_for_it(
    store: Arc<dyn Store>,
) {
    let worker = Worker::new(&store);
    worker.apply("a", "1", 1).await;
    worker
        .apply(
            "e",
            &Version::of_extraction(uuid::Uuid::now_v7(), 0).to_string(),
            1,
        )
        .await;
    let other = Worker::new(&store);
    let claim = other.claim_of(&[("a", "rev-2", 2), ("e", "rev-2", 2), ("n", "rev-2", 2)]);
    let strict = Claim {
        same_version_type: true,
        ..claim.clone()
    };
    let answers = store.claim(&strict, MINUTE).await.unwrap();
    assert_eq!(
        answers[..2],
        [ClaimResult::VersionTypeMismatch, act_on("e")]
    );
    assert_eq!(other.claim("a", "2", 2).await, act_on("a"));
}
