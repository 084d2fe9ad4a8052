//! Runs: their requests, their progress and the outcomes of their batches.

use async_trait::async_trait;
use jiff::Timestamp;
use pomost_models::{RunId, RunTrigger, SlotOutcomes};

use crate::{Lease, OutcomeCounts, Result};

/// Requests, extracts and lists runs.
///
/// Methods that take a [`Lease`] return [`Error::LeaseLost`](crate::Error::LeaseLost), and write
/// nothing, when another process has taken it.
#[async_trait]
pub trait Runs: Send + Sync + 'static {
    /// Requests a run. An extractor begins it later.
    async fn request_run(&self, request: &RunRequest) -> Result<RunId>;

    /// The run of this flow to extract next: a run that was begun comes before those that were only
    /// requested, and older runs before newer ones. Replays are left out, since their records are
    /// not extracted.
    async fn next_run(&self, flow: &str) -> Result<Option<Run>>;

    /// Time of the newest request for a run of this flow by this trigger.
    async fn last_request_time(&self, flow: &str, trigger: RunTrigger)
    -> Result<Option<Timestamp>>;

    /// Records in one transaction that the broker has confirmed a page's batches: their sizes, the
    /// checkpoint of the next page, the source keys, and that the run was begun.
    async fn record_page(&self, lease: &Lease, page: &PageProgress) -> Result<()>;

    /// Records in one transaction that a run has been read to its end, with a warning where
    /// something is odd about it, and the flow's new cursor where there is one. A run that has
    /// ended stays as it is, and so does the cursor then.
    async fn finish_extraction(
        &self,
        lease: &Lease,
        run: RunId,
        cursor: Option<&str>,
        warning: Option<&str>,
    ) -> Result<()>;

    /// Ends a run that cannot be read to its end, with the reason. The cursor stays.
    async fn fail_run(&self, lease: &Lease, run: RunId, error: &str) -> Result<()>;

    /// Merges outcomes of a batch's slots into those that its run has ([`SlotOutcomes::merge`]).
    async fn record_outcomes(&self, run: RunId, batch: &str, outcomes: &SlotOutcomes)
    -> Result<()>;

    /// One run with its counts.
    async fn run(&self, run: RunId) -> Result<Option<RunSummary>>;

    /// The newest runs with their counts, newest first, of one flow or of all.
    async fn runs(&self, flow: Option<&str>, limit: u32) -> Result<Vec<RunSummary>>;

    /// Time at which the newest successful run of this flow was requested: one that read its source
    /// to its end and of which every record has settled, not all of them as dead. Replays and
    /// webhook runs do not count.
    async fn last_success_time(&self, flow: &str) -> Result<Option<Timestamp>>;
}

/// A request for a run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    pub flow: String,
    pub trigger: RunTrigger,
    /// The version to begin at instead of the flow's cursor.
    pub since: Option<String>,
}

/// A run that has not been read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    pub flow: String,
    pub trigger: RunTrigger,
    /// The version to begin at instead of the flow's cursor.
    pub since: Option<String>,
    /// The place of the next page, as the extractor recorded it with the last one. `None` before
    /// the first.
    pub checkpoint: Option<serde_json::Value>,
}

/// A page whose batches the broker has confirmed.
#[derive(Debug, Clone)]
pub struct PageProgress {
    pub run: RunId,
    /// Id and size of each batch of the page.
    pub batches: Vec<(String, u32)>,
    /// The place of the next page.
    pub checkpoint: serde_json::Value,
    /// The keys that the page listed, of a flow that deletes what its source no longer lists.
    pub listed_keys: Vec<String>,
    /// The keys whose deletion the page holds. They are no source keys any more.
    pub deleted_keys: Vec<String>,
}

/// A run as it is listed.
#[derive(Debug, Clone)]
pub struct RunSummary {
    pub id: RunId,
    pub flow: String,
    pub trigger: RunTrigger,
    pub state: RunState,
    pub requested_at: Timestamp,
    /// Time at which the run was read to its end, or failed.
    pub extracted_at: Option<Timestamp>,
    /// The reason for which the run could not be read to its end.
    pub error: Option<String>,
    /// Something odd about a run that was read to its end.
    pub warning: Option<String>,
    pub counts: OutcomeCounts,
    /// Number of waiting records that are parked behind a dead letter of their key.
    pub blocked_by_dead_letters: u64,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// No extractor has begun it.
    Requested,
    /// Its source is being read.
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
