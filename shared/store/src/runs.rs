//! Runs, their progress and their counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pomost_models::{Outcome, RunId, RunTrigger, SlotOutcomes, Stage};

/// The right to extract one flow, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is the right to.
    pub name: String,
    /// Grows with each taking: whoever holds a lower one has been succeeded.
    pub token: i64,
}

/// A wish for a run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The flow to run.
    pub flow: String,
    /// What started it.
    pub trigger: RunTrigger,
    /// Where to begin instead of at the flow's cursor.
    pub since: Option<String>,
}

/// A run that is not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its flow.
    pub flow: String,
    /// What started it.
    pub trigger: RunTrigger,
    /// Where to begin instead of at the flow's cursor.
    pub since: Option<String>,
    /// Where to go on, as the extractor wrote it with the last confirmed page; none before the first.
    pub checkpoint: Option<serde_json::Value>,
}

/// A run that takes dead letters back to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its run.
    pub run: RunId,
    /// The letters' flow.
    pub flow: String,
    /// The stage they go back to.
    pub stage: Stage,
}

/// A page whose batches the broker has confirmed.
#[derive(Debug, Clone)]
pub struct PageProgress {
    /// The run.
    pub run: RunId,
    /// The batches made of the page, by id and size.
    pub batches: Vec<(String, u32)>,
    /// Where to go on after it.
    pub checkpoint: serde_json::Value,
    /// The keys it listed, of a flow that takes those no longer listed for deleted.
    pub listed_keys: Vec<String>,
    /// The keys whose deletion it holds: they are not known any more.
    pub deleted_keys: Vec<String>,
}

/// How many keys of a source are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceKeyCounts {
    /// All of them.
    pub known: u64,
    /// Those that a run has not listed.
    pub missing: u64,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Nobody has begun it.
    Requested,
    /// It is being read.
    Extracting,
    /// It has been read to its end, and some of its records have not settled.
    Settling,
    /// All its records have settled.
    Settled,
    /// It could not be read to its end.
    Failed,
}

impl RunState {
    /// The word used in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Requested => "requested",
            RunState::Extracting => "extracting",
            RunState::Settling => "settling",
            RunState::Settled => "settled",
            RunState::Failed => "failed",
        }
    }
}

/// A run as people look at it.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// Its flow.
    pub flow: String,
    /// What started it.
    pub trigger: RunTrigger,
    /// How far it has come.
    pub state: RunState,
    /// When it was wanted.
    pub requested_at: Timestamp,
    /// When it had been read to its end, or failed.
    pub extracted_at: Option<Timestamp>,
    /// Why it could not be read to its end.
    pub error: Option<String>,
    /// What is odd about it though it was read to its end.
    pub warning: Option<String>,
    /// What became of its records.
    pub counts: OutcomeCounts,
    /// How many of those that wait do so for a dead letter of their key.
    pub blocked_by_dead_letters: u64,
}

/// What became of the records of a run. The sum of the outcomes and of those waiting is the number
/// of records, always.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// The records extracted, and those that a mapping made by splitting; a record that was split
    /// stays one of them, with the outcome [`Outcome::Split`].
    pub records: u64,
    /// Those that have not settled.
    pub waiting: u64,
    /// Those that have, by outcome; outcomes of none are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
}

impl RunSummary {
    /// Where a run is that was begun, that ended, that failed, and of which so many wait.
    pub(crate) fn state_of(
        begun: bool,
        ended: bool,
        failed: bool,
        counts: &OutcomeCounts,
    ) -> RunState {
        match (failed, ended, begun) {
            (true, ..) => RunState::Failed,
            (_, true, _) if counts.waiting == 0 => RunState::Settled,
            (_, true, _) => RunState::Settling,
            (_, _, true) => RunState::Extracting,
            _ => RunState::Requested,
        }
    }
}

impl OutcomeCounts {
    /// SQL that counts the characters of the masks in `outcomes`, as [`OutcomeCounts::from_columns`] reads
    /// it: all of them, those waiting, then those of each outcome in the order of [`Outcome::ALL`].
    pub(crate) fn columns() -> String {
        let of = |letter: char| {
            format!("sum(length(outcomes) - length(replace(outcomes, '{letter}', '')))")
        };
        let letters =
            std::iter::once(SlotOutcomes::UNSETTLED).chain(Outcome::ALL.map(Outcome::symbol));
        let columns = std::iter::once("sum(length(outcomes))".to_owned()).chain(letters.map(of));
        columns
            .map(|column| format!("coalesce({column}, 0)"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Reads the [`OutcomeCounts::columns`]; `column` gives the value of one by its place among them.
    pub(crate) fn from_columns<E>(
        column: impl Fn(usize) -> Result<i64, E>,
    ) -> Result<OutcomeCounts, E> {
        let count = |place| column(place).map(i64::unsigned_abs);
        let mut outcomes = BTreeMap::new();
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            outcomes.insert(outcome, count(place + 2)?);
        }
        outcomes.retain(|_, count| *count > 0);
        Ok(OutcomeCounts {
            records: count(0)?,
            waiting: count(1)?,
            outcomes,
        })
    }

    /// How many records settled so.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }
}
