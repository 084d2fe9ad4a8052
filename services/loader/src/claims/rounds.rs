//! Splits a batch into rounds, so that a claim has each key once.

use std::collections::HashMap;

use pomost_models::{Record, load::ChangeOrder};

/// Records that are claimed and applied together, each key once.
#[derive(Default)]
pub(crate) struct ClaimRound {
    pub(crate) records: Vec<Record>,
    /// Records of the batch that are older than one of the same key in `records`.
    pub(crate) superseded: Vec<Record>,
}

impl ClaimRound {
    /// True if there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.superseded.is_empty()
    }
}

/// Splits the records of a batch into rounds. A key can come twice in a batch when rows shift
/// between two pages, or when the source lists changes, and a claim takes each key once.
pub(crate) fn claim_rounds(order: ChangeOrder, records: Vec<Record>) -> Vec<ClaimRound> {
    match order {
        ChangeOrder::Latest => newest_of_each_key(records),
        ChangeOrder::Every => oldest_first(records),
    }
}

/// Keeps the newest record of each key. A record whose version has no order with it comes in a
/// round of its own, where the ledger refuses one of the two.
fn newest_of_each_key(mut records: Vec<Record>) -> Vec<ClaimRound> {
    let mut rounds = Vec::new();
    while !records.is_empty() {
        let mut positions: HashMap<String, usize> = HashMap::with_capacity(records.len());
        let (mut round, mut mixed) = (ClaimRound::default(), Vec::new());
        for record in records {
            match positions
                .get(&record.key)
                .map(|&position| &mut round.records[position])
            {
                None => {
                    positions.insert(record.key.clone(), round.records.len());
                    round.records.push(record);
                }
                Some(current) if !record.version.compares_with(&current.version) => {
                    mixed.push(record)
                }
                Some(current) => round.superseded.push(replace_older(current, record)),
            }
        }
        rounds.push(round);
        records = mixed;
    }
    rounds
}

/// Leaves the newer of two records in place and returns the older one. Of equal versions the record
/// that was read later is newer.
fn replace_older(current: &mut Record, record: Record) -> Record {
    match record.version.is_older(&current.version) {
        true => record,
        false => std::mem::replace(current, record),
    }
}

/// Puts the oldest change of every key into the first round, the next ones into the second, and so
/// on.
fn oldest_first(mut records: Vec<Record>) -> Vec<ClaimRound> {
    records.sort_by_cached_key(|record| record.version.order_key());
    let mut changes: HashMap<String, usize> = HashMap::new();
    let mut rounds: Vec<ClaimRound> = Vec::new();
    for record in records {
        let round = changes.entry(record.key.clone()).or_default();
        if *round == rounds.len() {
            rounds.push(ClaimRound::default());
        }
        rounds[*round].records.push(record);
        *round += 1;
    }
    rounds
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

    fn rounds(prepared: &[ClaimRound]) -> Vec<Vec<u32>> {
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
        let prepared = claim_rounds(ChangeOrder::Latest, records);
        assert_eq!(rounds(&prepared), [[2, 1]]);
        assert_eq!(slots(&prepared[0].superseded), [0, 3]);
    }

    #[test]
    fn of_equal_versions_the_one_read_last_stays() {
        let records = vec![record(0, "a", "1", "1"), record(1, "a", "1", "2")];
        assert_eq!(rounds(&claim_rounds(ChangeOrder::Latest, records)), [[1]]);
    }

    #[test]
    fn of_equal_versions_the_one_extracted_last_stays_wherever_it_stands() {
        let (moment, version) = (uuid::Uuid::now_v7(), Version::new("1"));
        let extracted = |slot: u32| {
            let version = version
                .clone()
                .with_extraction_order(&Version::of_extraction(moment, slot as usize));
            Record {
                version,
                ..record(slot, "a", "", "1")
            }
        };
        let deletion = Record {
            version: Version::of_extraction(moment, 1),
            ..extracted(1)
        };
        let prepared = claim_rounds(
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
        let prepared = claim_rounds(ChangeOrder::Latest, records);
        assert_eq!(rounds(&prepared), [[2], [1]]);
        assert_eq!(slots(&prepared[0].superseded), [0]);
    }

    #[test]
    fn where_every_change_counts_those_of_a_key_come_oldest_first_in_their_order() {
        let records = vec![
            record(0, "a", "10", "1"),
            record(1, "b", "1", "1"),
            record(2, "a", "9", "2"),
            record(3, "a", "11", "3"),
        ];
        let prepared = claim_rounds(ChangeOrder::Every, records);
        assert_eq!(rounds(&prepared), [vec![1, 2], vec![0], vec![3]]);
        assert!(prepared.iter().all(|round| round.superseded.is_empty()));
    }
}
