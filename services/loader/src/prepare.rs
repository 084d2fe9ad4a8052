//! Making a batch ready to be claimed.

use std::collections::HashMap;

use pomost_models::{AttemptFingerprint, Batch, Record, Stage, load::ChangeOrder};
use pomost_project::Flow;
use pomost_store::{ClaimEntry, ledger::ContentHash};
use sha2::{Digest, Sha256};

/// Records that are acted on together, each key once.
#[derive(Default)]
pub struct Round {
    /// The records.
    pub records: Vec<Record>,
    /// Those that a newer one of their key among them replaces.
    pub superseded: Vec<Record>,
}

impl Round {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.superseded.is_empty()
    }
}

/// Makes a batch's records ready, round after round. A key can come twice in a batch when rows shift between two
/// pages, or when the source lists changes, and a claim takes each key once.
pub fn prepare(order: ChangeOrder, records: Vec<Record>) -> Vec<Round> {
    match order {
        ChangeOrder::Latest => newest_of_each_key(records),
        ChangeOrder::Every => one_after_the_other(records),
    }
}

/// Keeps the newest record of each key. What has no order with it comes in a round of its own, where the
/// ledger refuses one of the two.
fn newest_of_each_key(mut records: Vec<Record>) -> Vec<Round> {
    let mut rounds = Vec::new();
    while !records.is_empty() {
        let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
        let (mut round, mut mixed) = (Round::default(), Vec::new());
        for record in records {
            match places
                .get(&record.key)
                .map(|&place| &mut round.records[place])
            {
                None => {
                    places.insert(record.key.clone(), round.records.len());
                    round.records.push(record);
                }
                Some(current) if !record.version.compares_with(&current.version) => {
                    mixed.push(record)
                }
                Some(current) => round.superseded.push(newer_stays(current, record)),
            }
        }
        rounds.push(round);
        records = mixed;
    }
    rounds
}

/// Leaves the newer of two in place and returns the older; of equals the later one is newer.
fn newer_stays(place: &mut Record, record: Record) -> Record {
    match record.version.is_older(&place.version) {
        true => record,
        false => std::mem::replace(place, record),
    }
}

/// The first changes of all keys, then the second ones, and so on.
fn one_after_the_other(mut records: Vec<Record>) -> Vec<Round> {
    records.sort_by_cached_key(|record| record.version.order_key());
    let mut changes: HashMap<String, usize> = HashMap::new();
    let mut rounds: Vec<Round> = Vec::new();
    for record in records {
        let round = changes.entry(record.key.clone()).or_default();
        if *round == rounds.len() {
            rounds.push(Round::default());
        }
        rounds[*round].records.push(record);
        *round += 1;
    }
    rounds
}

/// What the ledger is asked about a record of this fate.
pub fn claim_entry(record: &Record, fate: Option<AttemptFingerprint>) -> ClaimEntry {
    ClaimEntry {
        key: record.key.clone(),
        version: record.version.clone(),
        hash: content_hash(record),
        fingerprint: fate,
    }
}

/// What decides what becomes of a record of a batch; nothing of one that a person sent again, which is to be tried
/// though it died before.
pub fn fate(flow: &Flow, batch: &Batch, record: &Record) -> Option<AttemptFingerprint> {
    (!batch.is_replay()).then(|| AttemptFingerprint::of(&flow.version, Stage::Load, record))
}

/// The hash of what would be applied: the operation and the bytes that would be sent.
pub fn content_hash(record: &Record) -> ContentHash {
    let mut digest = Sha256::new_with_prefix(record.op.as_str());
    if record.op == pomost_models::Operation::Upsert {
        digest.update(record.data.get());
    }
    let mut hash = ContentHash::default();
    hash.copy_from_slice(&digest.finalize()[..16]);
    hash
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Operation, Version};
    use serde_json::value::RawValue;

    use super::*;

    fn record(slot: u32, key: &str, version: &str, data: &str) -> Record {
        Record {
            slot,
            key: key.into(),
            version: Version::new(version),
            op: Operation::Upsert,
            data: RawValue::from_string(data.into()).unwrap(),
            source: None,
        }
    }

    fn slots(records: &[Record]) -> Vec<u32> {
        records.iter().map(|record| record.slot).collect()
    }

    fn rounds(prepared: &[Round]) -> Vec<Vec<u32>> {
        prepared.iter().map(|round| slots(&round.records)).collect()
    }

    #[test]
    fn of_a_key_that_comes_twice_the_newest_version_stays() {
        let records = vec![
            record(0, "a", "9", "1"),
            record(1, "b", "1", "1"),
            record(2, "a", "10", "2"),
            record(3, "a", "2", "3"),
        ];
        let prepared = prepare(ChangeOrder::Latest, records);
        assert_eq!(rounds(&prepared), [[2, 1]]);
        assert_eq!(slots(&prepared[0].superseded), [0, 3]);
    }

    #[test]
    fn of_equal_versions_the_one_read_last_stays() {
        let records = vec![record(0, "a", "1", "1"), record(1, "a", "1", "2")];
        assert_eq!(rounds(&prepare(ChangeOrder::Latest, records)), [[1]]);
    }

    #[test]
    fn of_equal_versions_the_one_extracted_last_stays_wherever_it_stands() {
        let (moment, version) = (uuid::Uuid::now_v7(), Version::new("1"));
        let extracted = |slot: u32| {
            let version = version
                .clone()
                .extracted(&Version::of_extraction(moment, slot as usize));
            Record {
                version,
                ..record(slot, "a", "", "1")
            }
        };
        let deletion = Record {
            version: Version::of_extraction(moment, 1),
            ..extracted(1)
        };
        let prepared = prepare(
            ChangeOrder::Latest,
            vec![extracted(2), deletion, extracted(0)],
        );
        assert_eq!(
            (rounds(&prepared), slots(&prepared[0].superseded)),
            (vec![vec![2]], vec![1, 0])
        );
    }

    #[test]
    fn versions_without_a_common_order_do_not_replace_each_other() {
        let records = vec![
            record(0, "a", "1", "1"),
            record(1, "a", "rev-2", "2"),
            record(2, "a", "2", "2"),
        ];
        let prepared = prepare(ChangeOrder::Latest, records);
        assert_eq!(rounds(&prepared), [[2], [1]]);
        assert_eq!(slots(&prepared[0].superseded), [0]);
    }

    #[test]
    fn where_every_change_counts_those_of_a_key_come_one_after_the_other_in_their_order() {
        let records = vec![
            record(0, "a", "10", "1"),
            record(1, "b", "1", "1"),
            record(2, "a", "9", "2"),
            record(3, "a", "11", "3"),
        ];
        let prepared = prepare(ChangeOrder::Every, records);
        assert_eq!(rounds(&prepared), [vec![1, 2], vec![0], vec![3]]);
        assert!(prepared.iter().all(|round| round.superseded.is_empty()));
    }

    #[test]
    fn the_hash_is_of_the_operation_and_the_content_alone() {
        let one = record(0, "a", "1", r#"{"n":1.10}"#);
        assert_eq!(
            content_hash(&one),
            content_hash(&record(5, "b", "2", r#"{"n":1.10}"#))
        );
        assert_ne!(
            content_hash(&one),
            content_hash(&record(0, "a", "1", r#"{"n":1.1}"#))
        );
        assert_ne!(
            content_hash(&one),
            content_hash(&Record {
                op: Operation::Delete,
                ..one.clone()
            })
        );
    }
}
