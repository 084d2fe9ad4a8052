//! Dead letters.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use pomost_models::{
    DeadLetter, DeadLetterReason, Operation, Outcome, Record, RunId, Stage, Version,
};
use serde_json::value::RawValue;

use super::support::{Worker, manual, read};
use crate::{DeadLetterFilter, Store};

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

pub(super) fn letter(run: RunId, batch: &str, slot: u32) -> DeadLetter {
    let record = Record {
        slot,
        key: format!("key-{slot}"),
        version: Version::new("1"),
        op: Operation::Upsert,
        data: raw("{}"),
        source: None,
    };
    DeadLetter {
        id: DeadLetter::id_of(run, batch, Stage::Load, &record),
        flow: "customers".to_owned(),
        run,
        batch: batch.to_owned(),
        size: 3,
        stage: Stage::Load,
        reason: DeadLetterReason::Invalid,
        error: "the shop answered 422".to_owned(),
        pointer: None,
        attempts: 1,
        traceparent: None,
        died_at: jiff::Timestamp::from_second(1_000 + i64::from(slot)).unwrap(),
        record: Some(record),
        message: None,
        flow_version: None,
        newest_alone: false,
    }
}

pub(super) fn any() -> DeadLetterFilter {
    DeadLetterFilter {
        limit: 100,
        ..DeadLetterFilter::default()
    }
}

pub(super) async fn found(store: &Arc<dyn Store>, filter: DeadLetterFilter) -> Vec<String> {
    store
        .dead_letters(&filter)
        .await
        .unwrap()
        .into_iter()
        .map(|letter| letter.id)
        .collect()
}

async fn dead(store: &Arc<dyn Store>, run: RunId) -> (u64, u64) {
    let counts = store.run(run).await.unwrap().unwrap().counts;
    (counts.records, counts.count(Outcome::Dead))
}

/// Every digit and every character is kept, and the first of two letters of one id stays.
pub async fn a_dead_letter_is_archived_whole_and_once(store: Arc<dyn Store>) {
    let mut first = letter(RunId::generate(), "1", 0);
    let data = r#"{"price":1.10,"big":9007199254740993123.50,"b":1,"a":"ż\u0000","b2":1e400}"#;
    first.record.as_mut().unwrap().data = raw(data);
    first.record.as_mut().unwrap().source = Some(raw(r#"{ "spaced" : 0.0 }"#));
    first.pointer = Some("/price".to_owned());
    first.died_at = "2026-03-01T10:00:00.123456789Z".parse().unwrap();
    store
        .archive_dead_letters(std::slice::from_ref(&first))
        .await
        .unwrap();
    store
        .archive_dead_letters(&[DeadLetter {
            error: "archived again".to_owned(),
            ..first.clone()
        }])
        .await
        .unwrap();
    let kept = store.dead_letters(&any()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        serde_json::to_string(&kept[0]).unwrap(),
        serde_json::to_string(&first).unwrap()
    );
}

/// The slot is dead however often its letter is archived. The size of its batch comes from the
/// page.
pub async fn a_dead_letter_counts_its_slot(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    for _ in 0..2 {
        store
            .archive_dead_letters(&[letter(run, "1", 1)])
            .await
            .unwrap();
    }
    assert_eq!(dead(&store, run).await, (2, 1));
}

/// One message may carry letters of several runs.
pub async fn letters_of_several_runs_and_batches_are_archived_together(store: Arc<dyn Store>) {
    let first = store.request_run(&manual("customers")).await.unwrap();
    let second = store.request_run(&manual("customers")).await.unwrap();
    let letters = [
        letter(second, "1", 0),
        letter(first, "2", 0),
        letter(first, "1", 2),
        letter(first, "1", 0),
    ];
    store.archive_dead_letters(&letters).await.unwrap();
    assert_eq!(
        (dead(&store, first).await, dead(&store, second).await),
        ((4, 3), (1, 1))
    );
    store.archive_dead_letters(&[]).await.unwrap();
    assert_eq!(found(&store, any()).await.len(), 4);
}

/// The records of a message that cannot be read are unknown.
pub async fn a_letter_of_an_unreadable_message_has_no_slot(store: Arc<dyn Store>) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let unreadable = DeadLetter {
        record: None,
        message: Some(raw("\"{oops\"")),
        ..letter(run, "1", 0)
    };
    store.archive_dead_letters(&[unreadable]).await.unwrap();
    assert_eq!(dead(&store, run).await, (0, 0));
    assert_eq!(found(&store, any()).await.len(), 1);
}

/// A filter selects the letters that match all of its fields.
pub async fn dead_letters_are_found_by_flow_stage_reason_and_run(store: Arc<dyn Store>) {
    let (run, other) = (RunId::generate(), RunId::generate());
    let plain = letter(run, "1", 0);
    let orders = DeadLetter {
        flow: "orders".to_owned(),
        ..letter(run, "1", 1)
    };
    let mapped = DeadLetter {
        stage: Stage::Transform,
        ..letter(run, "1", 2)
    };
    let poison = DeadLetter {
        reason: DeadLetterReason::Poison,
        ..letter(other, "1", 3)
    };
    store
        .archive_dead_letters(&[
            plain.clone(),
            orders.clone(),
            mapped.clone(),
            poison.clone(),
        ])
        .await
        .unwrap();
    let flow = Some("orders".to_owned());
    assert_eq!(
        found(&store, DeadLetterFilter { flow, ..any() }).await,
        [orders.id]
    );
    assert_eq!(
        found(
            &store,
            DeadLetterFilter {
                stage: Some(Stage::Transform),
                ..any()
            }
        )
        .await,
        [mapped.id]
    );
    assert_eq!(
        found(
            &store,
            DeadLetterFilter {
                reason: Some(DeadLetterReason::Poison),
                ..any()
            }
        )
        .await,
        [poison.id.as_str()]
    );
    assert_eq!(
        found(
            &store,
            DeadLetterFilter {
                run: Some(other),
                ..any()
            }
        )
        .await,
        [poison.id]
    );
    let both = DeadLetterFilter {
        run: Some(run),
        stage: Some(Stage::Load),
        flow: Some("customers".to_owned()),
        ..any()
    };
    assert_eq!(found(&store, both).await, [plain.id]);
}

/// Each page begins after the last letter of the page before, also where letters died at the same
/// time.
pub async fn dead_letters_are_listed_oldest_first_page_by_page(store: Arc<dyn Store>) {
    let run = RunId::generate();
    let time = |slot: u32| jiff::Timestamp::from_second(i64::from(slot / 3)).unwrap();
    let letters: Vec<_> = (0..7)
        .map(|slot| DeadLetter {
            died_at: time(slot),
            ..letter(run, "1", slot)
        })
        .collect();
    store.archive_dead_letters(&letters).await.unwrap();
    let mut expected: Vec<_> = letters
        .iter()
        .map(|letter| (letter.died_at, letter.id.clone()))
        .collect();
    expected.sort();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = found(
            &store,
            DeadLetterFilter {
                after: seen.last().cloned(),
                limit: 2,
                ..any()
            },
        )
        .await;
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(
        seen,
        expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    );
}

/// Without that, a filter selects open letters only.
pub async fn closed_dead_letters_are_found_by_a_filter_that_includes_them(store: Arc<dyn Store>) {
    let letters = [
        letter(RunId::generate(), "1", 0),
        letter(RunId::generate(), "1", 1),
    ];
    store.archive_dead_letters(&letters).await.unwrap();
    store
        .discard_dead_letters(std::slice::from_ref(&letters[0].id))
        .await
        .unwrap();
    assert_eq!(found(&store, any()).await, [letters[1].id.clone()]);
    let beginning = || DeadLetterFilter {
        id: Some(letters[0].id[..8].to_owned()),
        ..any()
    };
    assert!(found(&store, beginning()).await.is_empty());
    let closed = DeadLetterFilter {
        include_closed: true,
        ..beginning()
    };
    assert_eq!(found(&store, closed).await, [letters[0].id.clone()]);
    for unknown in ["%", "_", "zz"] {
        assert!(
            found(
                &store,
                DeadLetterFilter {
                    id: Some(unknown.to_owned()),
                    ..any()
                }
            )
            .await
            .is_empty()
        );
    }
}

/// A discarded letter that is archived again stays closed.
pub async fn a_dead_letter_is_discarded_once(store: Arc<dyn Store>) {
    let letters = [
        letter(RunId::generate(), "1", 0),
        letter(RunId::generate(), "1", 1),
    ];
    store.archive_dead_letters(&letters).await.unwrap();
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
    assert_eq!(store.discard_dead_letters(&ids).await.unwrap(), 2);
    assert_eq!(store.discard_dead_letters(&ids).await.unwrap(), 0);
    store.archive_dead_letters(&letters).await.unwrap();
    assert!(found(&store, any()).await.is_empty());
}

async fn supersede(store: &Arc<dyn Store>, versions: [&str; 2]) -> (u64, Vec<String>, u64) {
    let run = store.request_run(&manual("customers")).await.unwrap();
    let mut dead = letter(run, "1", 1);
    dead.record.as_mut().unwrap().version = Version::new(versions[0]);
    store
        .archive_dead_letters(&[dead, letter(run, "1", 2)])
        .await
        .unwrap();
    Worker::new(store).apply("key-1", versions[1], 1).await;
    let superseded = store
        .supersede_dead_letters("customers", &["key-0", "key-1"])
        .await
        .unwrap();
    let counts = store.run(run).await.unwrap().unwrap().counts;
    (
        superseded,
        found(store, any()).await,
        counts.count(Outcome::Stale),
    )
}

/// The letter's record becomes stale, and the other records of its batch stay as they were.
pub async fn a_newer_version_that_was_applied_supersedes_a_dead_letter(store: Arc<dyn Store>) {
    let (superseded, open, stale) = supersede(&store, ["9", "10"]).await;
    assert_eq!((superseded, open.len(), stale), (1, 1, 1));
    assert_eq!(
        store
            .supersede_dead_letters("customers", &["key-1"])
            .await
            .unwrap(),
        0
    );
}

/// The same version may be of another operation: a deletion may have the version that its record
/// had.
pub async fn neither_the_same_version_nor_an_older_one_supersedes_a_dead_letter(
    store: Arc<dyn Store>,
) {
    let (superseded, open, stale) = supersede(&store, ["10", "9"]).await;
    assert_eq!((superseded, open.len(), stale), (0, 2, 0));
    Worker::new(&store).apply("key-1", "10", 2).await;
    assert_eq!(
        store
            .supersede_dead_letters("customers", &["key-1"])
            .await
            .unwrap(),
        0
    );
}

/// Of two records of one version, the one that was read later is newer.
pub async fn the_same_version_that_was_read_later_supersedes_a_dead_letter(store: Arc<dyn Store>) {
    let (superseded, open, stale) = supersede(&store, [&read("10", 1), &read("10", 2)]).await;
    assert_eq!((superseded, open.len(), stale), (1, 1, 1));
}

/// Closed letters do not count, and neither do letters that died before that time.
pub async fn open_dead_letters_are_counted_by_flow_from_a_time_on(store: Arc<dyn Store>) {
    let run = RunId::generate();
    let letters = [0, 1, 2, 3].map(|slot| letter(run, "1", slot));
    store.archive_dead_letters(&letters).await.unwrap();
    let since = |second| Timestamp::from_second(second).unwrap();
    let counted = async |second| store.count_dead_letters(since(second)).await.unwrap();
    assert_eq!(
        counted(1_001).await,
        BTreeMap::from([("customers".to_owned(), 3)])
    );
    store
        .discard_dead_letters(std::slice::from_ref(&letters[3].id))
        .await
        .unwrap();
    assert_eq!(
        counted(1_001).await,
        BTreeMap::from([("customers".to_owned(), 2)])
    );
    assert_eq!(counted(1_003).await, BTreeMap::new());
}
