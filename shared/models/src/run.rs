//! Runs, and the stages that a record passes in a run.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The id of a run, which is one execution of a flow. Later ids sort later (UUID version 7, RFC
/// 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl RunId {
    /// A new id. It sorts after all ids made before it.
    pub fn generate() -> RunId {
        RunId(Uuid::now_v7())
    }

    /// The run for all deliveries to this flow's webhook in the hour (UTC) of `now`. Every process
    /// computes the same id without asking the store. The id sorts by the beginning of the hour.
    pub fn of_webhook(flow: &str, now: Timestamp) -> RunId {
        let hour = now.as_millisecond().div_euclid(HOUR_MILLISECONDS) * HOUR_MILLISECONDS;
        // In place of random bits, a hash makes every process compute the same id.
        let mut random_part = [0; 10];
        random_part.copy_from_slice(&Sha256::digest(format!("webhook/{flow}/{hour}"))[..10]);
        let milliseconds = u64::try_from(hour).unwrap_or_default();
        RunId(Builder::from_unix_timestamp_millis(milliseconds, &random_part).into_uuid())
    }
}

const HOUR_MILLISECONDS: i64 = 3_600_000;

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

/// The reason why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunTrigger {
    /// The flow's `schedule`.
    Schedule,
    /// `pomost sync`.
    Manual,
    /// `pomost dead replay`.
    Replay,
    /// Deliveries to the flow's `webhook`.
    Webhook,
}

impl RunTrigger {
    /// The word used in the store and in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            RunTrigger::Schedule => "schedule",
            RunTrigger::Manual => "manual",
            RunTrigger::Replay => "replay",
            RunTrigger::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for RunTrigger {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<RunTrigger, ParseWordError> {
        [
            RunTrigger::Schedule,
            RunTrigger::Manual,
            RunTrigger::Replay,
            RunTrigger::Webhook,
        ]
        .into_iter()
        .find(|trigger| trigger.as_str() == text)
        .ok_or_else(|| ParseWordError(text.to_owned()))
    }
}

/// The three stages of a flow, in order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Reads records from the source.
    Extract,
    /// Validates and maps records.
    Transform,
    /// Writes records to the destination.
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
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Stage, ParseWordError> {
        [Stage::Extract, Stage::Transform, Stage::Load]
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| ParseWordError(text.to_owned()))
    }
}

/// The text is none of the words that are allowed in its place.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not one of the known words")]
pub struct ParseWordError(pub String);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(flow: &str, time: &str) -> RunId {
        RunId::of_webhook(flow, time.parse().unwrap())
    }

    #[test]
    fn deliveries_of_one_hour_are_one_run_and_others_are_not() {
        let first = run("customers", "2026-03-01T10:00:00Z");
        assert_eq!(first, run("customers", "2026-03-01T10:59:59.999Z"));
        assert_ne!(first, run("customers", "2026-03-01T11:00:00Z"));
        assert_ne!(first, run("orders", "2026-03-01T10:00:00Z"));
    }

    #[test]
    fn the_run_of_an_hour_sorts_by_its_beginning() {
        let hour = run("customers", "2026-03-01T10:59:00Z");
        assert!(
            run("orders", "2026-03-01T09:00:00Z") < hour
                && hour < run("customers", "2026-03-01T11:00:00Z")
        );
        assert!(hour < RunId::generate());
        assert_eq!(hour.0.get_version_num(), 7);
    }
}
