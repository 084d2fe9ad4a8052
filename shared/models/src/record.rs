//! One business object on its way from a source to a destination.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Stage, Version};

/// One business object.
///
/// The data stays the JSON text it arrived as: a stage that does not look inside does not parse it,
/// and numbers keep every digit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The record's place in the batch it was extracted in; it keeps it through retries, so that
    /// each place is counted once however often its message is delivered.
    pub slot: u32,
    /// The primary key at the source, as text.
    pub key: String,
    /// What orders the changes of one key.
    pub version: Version,
    /// What is to happen at the destination.
    pub op: Operation,
    /// The record as the stage that reads it needs it: extracted before, mapped after `transform`. On its way
    /// to `extract`, what the row was told by that is needed to ask about it: headers, or null.
    pub data: Box<RawValue>,
    /// The record as it was extracted, where `data` is no longer that, or the row as it was told, where `data` is
    /// not yet. A dead letter keeps it, so that a mended mapping can be run on it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<RawValue>>,
}

impl Record {
    /// How many bytes of JSON it holds.
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

    /// Whether it is what was told of a row, by which the source is to be asked about it, and not the row.
    pub fn awaits_fetch(&self, stage: Stage) -> bool {
        stage == Stage::Extract && self.source.is_some()
    }

    /// The record as it was extracted.
    pub fn extracted(&self) -> &RawValue {
        self.source.as_deref().unwrap_or(&self.data)
    }
}

/// What is to happen to a record at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Create it, or update it where it exists.
    Upsert,
    /// Delete it.
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
