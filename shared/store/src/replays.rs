//! Replays: dead letters on their way back to a stage.

use std::str::FromStr;

use async_trait::async_trait;
use pomost_models::{RunId, Stage};

use crate::Result;

/// Begins and ends replays.
#[async_trait]
pub trait Replays: Send + Sync + 'static {
    /// Begins a replay of open letters in one transaction: assigns them to it and creates its run.
    /// Returns the number of its letters. Letters of another replay are left out; without letters
    /// there is no replay.
    async fn begin_replay(&self, replay: &Replay, letters: &[String]) -> Result<u64>;

    /// The replays that were begun and have not ended, oldest first. The process that began one may
    /// have died.
    async fn unfinished_replays(&self) -> Result<Vec<Replay>>;

    /// Ends a replay in one transaction: its run is read to its end with these batches, the letters
    /// that were `sent` are closed, and its other letters are free again. A replay that has ended
    /// stays as it is.
    async fn end_replay(
        &self,
        run: RunId,
        batches: &[(String, u32)],
        sent: &[String],
    ) -> Result<()>;
}

/// A run that takes dead letters back to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    pub run: RunId,
    /// The flow of the letters.
    pub flow: String,
    /// The stage that the letters go back to.
    pub stage: Stage,
}

impl Replay {
    /// The value of its run's column `since`: a replay begins at a stage, as other runs begin at a
    /// version.
    pub(crate) fn since(&self) -> &'static str {
        self.stage.as_str()
    }

    /// The replay of a run with this value in its column `since`.
    pub(crate) fn from_run(
        run: RunId,
        flow: String,
        since: &str,
    ) -> std::result::Result<Replay, <Stage as FromStr>::Err> {
        let stage = since.parse()?;
        Ok(Replay { run, flow, stage })
    }
}
