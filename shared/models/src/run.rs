//! Runs, and the stages a record passes in one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One execution of a flow. Ids made later sort later (UUID version 7, RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// A new id, later than all before it.
    pub fn generate() -> RunId {
        RunId(Uuid::now_v7())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<RunId, uuid::Error> {
        text.parse().map(RunId)
    }
}

/// What started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The flow's `schedule`.
    Schedule,
    /// `pomost sync`.
    Manual,
    /// `pomost dead replay`.
    Replay,
}

impl Trigger {
    /// The word used in the store and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Schedule => "schedule",
            Trigger::Manual => "manual",
            Trigger::Replay => "replay",
        }
    }
}

impl std::str::FromStr for Trigger {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Trigger, UnknownWord> {
        [Trigger::Schedule, Trigger::Manual, Trigger::Replay]
            .into_iter()
            .find(|trigger| trigger.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// The three stages of a flow, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Read from the source.
    Extract,
    /// Validate and map.
    Transform,
    /// Write to the destination.
    Load,
}

impl Stage {
    /// The word used in flow files, queue names, the store and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Extract => "extract",
            Stage::Transform => "transform",
            Stage::Load => "load",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Stage {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Stage, UnknownWord> {
        [Stage::Extract, Stage::Transform, Stage::Load]
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// A word that names none of the values its place allows.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not one of the known words")]
pub struct UnknownWord(pub String);
