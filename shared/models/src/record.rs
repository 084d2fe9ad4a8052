//! Records: business objects on their way from a source to a destination.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Stage, Version};

/// One business object.
///
/// The data stays the JSON text that arrived: a stage that does not look inside does not parse it,
/// and numbers keep every digit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The record's slot: its place in the batch in which it was extracted. A retry keeps the slot,
    /// so that each record is counted once, however often its message is delivered.
    pub slot: u32,
    /// The primary key at the source, as text.
    pub key: String,
    /// The version, which orders the changes of one key.
    pub version: Version,
    pub op: Operation,
    /// The record in the form that the next stage reads: extracted before `transform`, mapped after
    /// it. While the record waits for its fetch (queue `extract`), these are the headers of its
    /// delivery, or null.
    pub data: Box<RawValue>,
    /// The record as it was extracted, where `data` is no longer that. While the record waits for
    /// its fetch, this is the row that was delivered. A dead letter keeps it, so that a corrected
    /// mapping can be run on it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<RawValue>>,
}

impl Record {
    /// Number of bytes of JSON in the record.
    pub fn bytes(&self) -> usize {
        self.data.get().len() + self.source.as_ref().map_or(0, |source| source.get().len())
    }

    /// The record without its data: enough to say which change it is.
    pub fn without_data(&self) -> Record {
        let (key, version) = (self.key.clone(), self.version.clone());
        Record {
            key,
            version,
            data: RawValue::NULL.to_owned(),
            source: None,
            ..*self
        }
    }

    /// True for a row that a webhook delivered and that still has to be fetched from the source.
    pub fn awaits_fetch(&self, stage: Stage) -> bool {
        stage == Stage::Extract && self.source.is_some()
    }

    /// The record as it was extracted.
    pub fn extracted(&self) -> &RawValue {
        self.source.as_deref().unwrap_or(&self.data)
    }
}

/// An operation: the change that a record makes at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Create the record, or update it where it exists.
    Upsert,
    /// Delete the record.
    Delete,
}

impl Operation {
    /// The word used in messages, in the store and as `$op` in expressions.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Upsert => "upsert",
            Operation::Delete => "delete",
        }
    }
}
