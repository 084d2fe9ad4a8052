//! Records that could not be settled.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{AttemptFingerprint, Operation, Record, RunId, Stage, Version, run::ParseWordError};

/// The AMQP `type` of a message of dead letters: a JSON array of [`DeadLetter`].
pub const DEAD_LETTERS_TYPE: &str = "pomost.dead.v1";

/// A record that could not be settled, with all that is needed to see why and to replay it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The same for the same record of the same run and stage, so that archiving it twice keeps one:
    /// 24 hexadecimal digits.
    pub id: String,
    /// The flow it belongs to.
    pub flow: String,
    /// The run it died in.
    pub run: RunId,
    /// The batch it died in.
    pub batch: String,
    /// The slots of that batch.
    pub size: u32,
    /// The stage that could not settle it.
    pub stage: Stage,
    /// What kind of failure it was.
    pub reason: DeadLetterReason,
    /// What went wrong, without secrets or sensitive values.
    pub error: String,
    /// The JSON pointer (RFC 6901) of the field at fault, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// The W3C trace context in which it died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// When it died.
    pub died_at: Timestamp,
    /// The record as it came to the stage; none where the message could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// The message itself where it could not be read, as JSON text of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<RawValue>>,
    /// The version of the flow's files under which it died; none where the letter was written by an older release
    /// or by a process that does not know the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_version: Option<String>,
    /// Whether the flow applies the newest version of a key alone, so that this letter outdates those of older ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latest_only: bool,
}

impl DeadLetter {
    /// The body of a message of dead letters.
    pub fn encode(letters: &[DeadLetter]) -> Vec<u8> {
        // Fails only for maps with keys that are no text, of which there are none.
        serde_json::to_vec(letters).expect("dead letters are JSON")
    }

    /// The id of the dead letter of one record of one run at one stage. The slot does not tell: a page
    /// that is read again after a crash may have another record in it. Nor does an order of extraction,
    /// which is another one then.
    pub fn id_of(run: RunId, batch: &str, stage: Stage, record: &Record) -> String {
        let Record {
            slot, key, version, ..
        } = record;
        let version = version.source_text();
        // Fails only for maps with keys that are no text, of which there are none.
        let names =
            serde_json::to_vec(&(run, batch, stage, slot, key, version)).expect("names are JSON");
        hexadecimal(Sha256::digest(names))
    }

    /// The id of the dead letter of a message that could not be read. Another one with the same body
    /// may come at any time, and must not pass for this one.
    pub fn id_of_message(body: &[u8], died_at: Timestamp) -> String {
        hexadecimal(
            Sha256::new_with_prefix(died_at.as_nanosecond().to_be_bytes())
                .chain_update(body)
                .finalize(),
        )
    }

    /// The id of the trace in which it died.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref()?.split('-').nth(1)
    }

    /// The record's key, or nothing where the message could not be read.
    pub fn key(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.key)
    }

    /// The record's version.
    pub fn version(&self) -> Option<&Version> {
        self.record.as_ref().map(|record| &record.version)
    }

    /// What decided what became of the record, where that is known: a record of equal fate that is read again
    /// needs no letter of its own.
    pub fn fingerprint(&self) -> Option<AttemptFingerprint> {
        Some(AttemptFingerprint::of(
            self.flow_version.as_deref()?,
            self.stage,
            self.record.as_ref()?,
        ))
    }

    /// Whether it is of a row that was told and that the source would not say more about.
    pub fn awaits_fetch(&self) -> bool {
        self.record
            .as_ref()
            .is_some_and(|record| record.awaits_fetch(self.stage))
    }

    /// What was to happen to the record.
    pub fn op(&self) -> Option<Operation> {
        self.record.as_ref().map(|record| record.op)
    }
}

/// The first 24 digits: 96 bits, so that no two letters of any installation share them by chance.
fn hexadecimal(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What kind of failure made a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterReason {
    /// A schema, a mapping or the destination refused the record.
    Invalid,
    /// The attempts at something that may pass were used up.
    Transient,
    /// Whether the destination has the record is not known, and nothing can tell.
    InDoubt,
    /// Somebody else changed the record at the destination.
    Conflict,
    /// It brought a worker down each time.
    Poison,
    /// The message could not be read.
    Unreadable,
}

impl DeadLetterReason {
    /// Every reason.
    pub const ALL: [DeadLetterReason; 6] = [
        DeadLetterReason::Invalid,
        DeadLetterReason::Transient,
        DeadLetterReason::InDoubt,
        DeadLetterReason::Conflict,
        DeadLetterReason::Poison,
        DeadLetterReason::Unreadable,
    ];

    /// The word used in the store and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            DeadLetterReason::Invalid => "invalid",
            DeadLetterReason::Transient => "transient",
            DeadLetterReason::InDoubt => "in_doubt",
            DeadLetterReason::Conflict => "conflict",
            DeadLetterReason::Poison => "poison",
            DeadLetterReason::Unreadable => "unreadable",
        }
    }
}

impl std::str::FromStr for DeadLetterReason {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<DeadLetterReason, ParseWordError> {
        DeadLetterReason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| ParseWordError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(slot: u32, key: &str, version: &str) -> Record {
        let data = RawValue::from_string("{}".into()).unwrap();
        Record {
            slot,
            key: key.into(),
            version: Version::new(version),
            op: Operation::Upsert,
            data,
            source: None,
        }
    }

    #[test]
    fn a_letter_s_id_tells_its_record_from_every_other_in_the_same_slot() {
        let run = RunId::generate();
        let id = |record| DeadLetter::id_of(run, "0.0", Stage::Load, &record);
        let first = id(record(0, "a", "1"));
        assert_eq!(first.len(), 24);
        assert_eq!(first, id(record(0, "a", "1")));
        let others = [
            record(0, "b", "1"),
            record(0, "a", "2"),
            record(1, "a", "1"),
            record(0, "a1", ""),
        ];
        assert!(others.into_iter().all(|other| id(other) != first));
    }

    #[test]
    fn a_record_that_is_read_again_has_the_same_letter() {
        let run = RunId::generate();
        let read = |moment| record(0, "", Version::of_extraction(moment, 0).as_str());
        let id = |record| DeadLetter::id_of(run, "0.0", Stage::Extract, &record);
        let moments = [uuid::Uuid::now_v7(), uuid::Uuid::now_v7()];
        assert_eq!(id(read(moments[0])), id(read(moments[1])));
        let versioned = moments.map(|moment| {
            let version =
                Version::new("1").with_extraction_order(&Version::of_extraction(moment, 0));
            id(Record {
                version,
                ..record(0, "", "")
            })
        });
        assert_eq!(versioned, [id(record(0, "", "1")), id(record(0, "", "1"))]);
    }
}
