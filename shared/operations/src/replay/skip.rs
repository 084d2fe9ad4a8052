//! Dead letters that a replay leaves as they are.

use pomost_models::Stage;
use serde::{Serialize, Serializer};

/// A dead letter that a replay left as it is.
#[derive(Debug, Serialize)]
pub struct SkippedLetter {
    /// The letter's id, or the beginning of one that no letter has.
    pub id: String,
    #[serde(serialize_with = "as_text")]
    pub reason: SkipReason,
}

/// The reason for which a replay left a dead letter as it is.
#[derive(Debug, thiserror::Error)]
pub enum SkipReason {
    #[error("no open dead letter has this id")]
    Missing,
    #[error("it failed at {failed_at}; it has not come as far as {stage}")]
    NotThatFar {
        failed_at: Stage,
        /// The stage that was asked for.
        stage: Stage,
    },
    #[error("the project has no flow '{0}' any more")]
    UnknownFlow(String),
    #[error("it is a message that could not be read; it can only be discarded")]
    Unreadable,
    #[error(
        "whether the destination has its record is in doubt: look there, then replay it with --absent or, where it is \
         there, with --present and its id"
    )]
    InDoubt,
    /// A worker holds the claim on the record's key.
    #[error("a worker is at its record right now; try again shortly")]
    StillInFlight,
    #[error(
        "it was delivered to a webhook that reads it by the delivery's $headers, which are not kept: let the source \
         deliver it again, or replay it from load"
    )]
    WithoutHeaders,
    #[error(
        "it was read for a record of another listing, $parent, which is not kept and which its key or version is made \
         of: start a run, or replay it from load"
    )]
    WithoutParent,
    #[error(
        "extract.fetch asks about it by $cursor, $until or $page of the run that read it, which are not kept: start a \
         run"
    )]
    WithoutPosition,
    /// The row it was extracted from is no record of the flow as the flow is now.
    #[error("{0}")]
    RefusedRow(String),
}

impl SkippedLetter {
    pub(super) fn missing(id: String) -> SkippedLetter {
        let reason = SkipReason::Missing;
        SkippedLetter { id, reason }
    }
}

fn as_text<S: Serializer>(reason: &SkipReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reason)
}
