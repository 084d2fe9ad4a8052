//! Changes that have not settled.

use std::{sync::Arc, time::Duration};

use pomost_models::{
    AttemptFingerprint, Batch, DeadLetter, Lane, Operation, Record, RunId, Version,
};
use serde_json::value::RawValue;

use super::{
    dead_letters::letter,
    support::{MINUTE, Worker, manual, order, read},
};
use crate::Store;

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

pub(super) fn batch(id: &str, records: &[(&str, &str)]) -> Batch {
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

pub(super) fn none(batch: &Batch) -> Vec<Option<AttemptFingerprint>> {
    vec![None; batch.records.len()]
}

pub(super) async fn expect(store: &Arc<dyn Store>, batch: &Batch) {
    store.expect_changes(&[batch]).await.unwrap();
    store.confirm_changes(&[batch]).await.unwrap();
}

/// Versions compare as their types do, and changes of other flows do not count.
pub async fn a_change_is_blocked_by_every_earlier_one_of_its_key_that_has_not_settled(
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
    let are_blocked = store.are_blocked(&later, &none(&later)).await.unwrap();
    assert_eq!(are_blocked, [true, false, false, false, true, false]);
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

/// The order of extraction decides between changes of one version, and for a deletion that has no
/// version.
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

/// An extractor that was paused for longer than its lease publishes a page that its successor has
/// read again.
pub async fn a_succeeded_extractor_neither_forgets_nor_confirms_changes_that_were_read_after_its_own(
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

/// A page that is read again after a crash may have other records. Changes that were published
/// before will settle.
pub async fn a_batch_that_is_registered_again_stands_for_the_records_it_has_then(
    store: Arc<dyn Store>,
) {
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

/// The process that registered the change may have died before it published its record.
pub async fn a_change_that_was_not_confirmed_is_forgotten_after_a_while(store: Arc<dyn Store>) {
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

/// A newer version was applied by a worker that was not blocked by the dead change.
pub async fn an_outdated_dead_change_blocks_nothing(store: Arc<dyn Store>) {
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
