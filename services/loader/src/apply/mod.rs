//! Applies claimed records at the destination: one record, the records of a batch, and the search
//! for the records at fault in a bulk write that was refused.

mod batch;
mod bisection;
mod record;

use pomost_http::Failure;
use pomost_models::Outcome;
use pomost_store::KnownRecord;

pub(crate) use batch::BatchApply;

use crate::decide::RetryReason;

/// The way in which applying a record ended.
#[derive(Debug)]
pub(crate) enum RecordEnding {
    /// The destination has the record as it is wanted, or the record needs nothing there.
    Applied {
        outcome: Outcome,
        /// The state of the record at the destination from now on.
        known: KnownRecord,
    },
    /// Nothing was sent: the flow does not do what the record needs.
    Skipped,
    /// Nothing was sent now; the record comes again.
    RetryLater(RetryReason),
    /// Nothing was sent: it is unknown if the destination has the record, and nothing can tell.
    InDoubt,
    /// The destination refused a change, since somebody else changed the record there.
    ChangedElsewhere(Failure),
    /// A request failed, and it is unknown if the record was created: nothing can tell, or the
    /// lookup that was to tell is refused.
    CreateInDoubt(Failure),
    /// A request failed.
    Failed(Failure),
}
