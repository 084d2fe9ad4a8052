//! The claim side: which records are claimed together, and what the ledger answered for each.

mod guard;
mod rounds;

use std::sync::OnceLock;

use pomost_expression::{Value, read};
use pomost_http::{Failure, FailureClass};
use pomost_models::{AttemptFingerprint, Batch, Operation, Record, Stage};
use pomost_project::Flow;
use pomost_store::{ClaimEntry, ClaimResult, KnownRecord, ledger::ContentHash};
use sha2::{Digest, Sha256};

pub(crate) use guard::ClaimGuard;
pub(crate) use rounds::{ClaimRound, claim_rounds};

/// A record with what the ledger answered to the claim on its key.
#[derive(Debug)]
pub(crate) struct ClaimedRecord {
    pub(crate) record: Record,
    pub(crate) entry: ClaimEntry,
    pub(crate) result: ClaimResult,
    /// The record's data, once something needed them as a value.
    value: OnceLock<Value>,
}

impl ClaimedRecord {
    pub(crate) fn new(record: Record, entry: ClaimEntry, result: ClaimResult) -> ClaimedRecord {
        ClaimedRecord {
            record,
            entry,
            result,
            value: OnceLock::new(),
        }
    }

    /// True if the claim got the key: then the settlement has to release it.
    pub(crate) fn holds_key(&self) -> bool {
        self.result.known().is_some()
    }

    /// Returns what the ledger knows of the record at the destination.
    pub(crate) fn known(&self) -> KnownRecord {
        self.result.known().cloned().unwrap_or_default()
    }

    /// Parses the record's data, once.
    pub(crate) fn value(&self) -> Result<Value, Failure> {
        if let Some(value) = self.value.get() {
            return Ok(value.clone());
        }
        let value = read(self.record.data.get().as_bytes()).map_err(|error| {
            let message = format!("the record is not JSON: {error}");
            Failure::new(FailureClass::Invalid, message)
        })?;
        Ok(self.value.get_or_init(|| value).clone())
    }
}

/// Makes the entry of a claim for a record.
pub fn claim_entry(record: &Record, fingerprint: Option<AttemptFingerprint>) -> ClaimEntry {
    ClaimEntry {
        key: record.key.clone(),
        version: record.version.clone(),
        hash: content_hash(record),
        fingerprint,
    }
}

/// Returns the fingerprint by which a record that died before is recognised. A replayed record has
/// none: a person sent it again, so it is tried although it died.
pub(crate) fn attempt_fingerprint(
    flow: &Flow,
    batch: &Batch,
    record: &Record,
) -> Option<AttemptFingerprint> {
    (!batch.is_replay()).then(|| AttemptFingerprint::of(&flow.version, Stage::Load, record))
}

/// Hashes what would be applied: the operation, and the bytes that would be sent.
fn content_hash(record: &Record) -> ContentHash {
    let mut digest = Sha256::new_with_prefix(record.op.as_str());
    if record.op == Operation::Upsert {
        digest.update(record.data.get());
    }
    let mut hash = ContentHash::default();
    hash.copy_from_slice(&digest.finalize()[..16]);
    hash
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::Version;
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
