//! Making a batch ready to be claimed.

use std::collections::HashMap;

use pomost_models::Record;
use pomost_store::{ClaimEntry, ledger::ContentHash};
use sha2::{Digest, Sha256};

/// A batch's records, each key once.
pub struct Prepared {
    /// The newest record of each key, in the order they came.
    pub current: Vec<Record>,
    /// The older ones of a key that comes more than once.
    pub superseded: Vec<Record>,
}

/// Keeps the newest record of each key. A key can come twice in a batch when rows shift between two
/// pages, and a claim takes each key once.
pub fn newest_of_each_key(records: Vec<Record>) -> Prepared {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
    let mut prepared = Prepared { current: Vec::with_capacity(records.len()), superseded: Vec::new() };
    for record in records {
        match places.get(&record.key) {
            None => {
                places.insert(record.key.clone(), prepared.current.len());
                prepared.current.push(record);
            }
            Some(&place) => prepared.superseded.push(newer_stays(&mut prepared.current[place], record)),
        }
    }
    prepared
}

/// Leaves the newer of two in place and returns the older; of equals the later one is newer.
fn newer_stays(place: &mut Record, record: Record) -> Record {
    match record.version.order_key() >= place.version.order_key() {
        true => std::mem::replace(place, record),
        false => record,
    }
}

/// What the ledger is asked about a record.
pub fn claim_entry(record: &Record) -> ClaimEntry {
    ClaimEntry { key: record.key.clone(), version: record.version.clone(), hash: content_hash(record) }
}

/// The hash of what would be applied: the operation and the bytes that would be sent.
pub fn content_hash(record: &Record) -> ContentHash {
    let mut digest = Sha256::new_with_prefix(record.op.as_str());
    if record.op == pomost_models::Op::Upsert {
        digest.update(record.data.get());
    }
    let mut hash = ContentHash::default();
    hash.copy_from_slice(&digest.finalize()[..16]);
    hash
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Op, Version};
    use serde_json::value::RawValue;

    use super::*;

    fn record(slot: u32, key: &str, version: &str, data: &str) -> Record {
        Record {
            slot,
            key: key.into(),
            version: Version::new(version),
            op: Op::Upsert,
            data: RawValue::from_string(data.into()).unwrap(),
            source: None,
        }
    }

    fn slots(records: &[Record]) -> Vec<u32> {
        records.iter().map(|record| record.slot).collect()
    }

    #[test]
    fn of_a_key_that_comes_twice_the_newest_version_stays() {
        let records = vec![
            record(0, "a", "9", "1"),
            record(1, "b", "1", "1"),
            record(2, "a", "10", "2"),
            record(3, "a", "2", "3"),
        ];
        let prepared = newest_of_each_key(records);
        assert_eq!(slots(&prepared.current), [2, 1]);
        assert_eq!(slots(&prepared.superseded), [0, 3]);
    }

    #[test]
    fn of_equal_versions_the_one_read_last_stays() {
        let prepared = newest_of_each_key(vec![record(0, "a", "1", "1"), record(1, "a", "1", "2")]);
        assert_eq!(slots(&prepared.current), [1]);
    }

    #[test]
    fn the_hash_is_of_the_operation_and_the_content_alone() {
        let one = record(0, "a", "1", r#"{"n":1.10}"#);
        assert_eq!(content_hash(&one), content_hash(&record(5, "b", "2", r#"{"n":1.10}"#)));
        assert_ne!(content_hash(&one), content_hash(&record(0, "a", "1", r#"{"n":1.1}"#)));
        assert_ne!(content_hash(&one), content_hash(&Record { op: Op::Delete, ..one.clone() }));
    }
}
