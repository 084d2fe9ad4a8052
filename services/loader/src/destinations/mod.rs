//! The kinds of destination, behind one trait.
//!
//! A new kind is a folder here with a [`DestinationWriter`], a variant of
//! [`LoadTarget`](pomost_project::flow::LoadTarget) and an arm in [`Destination::of`].

mod destination;
mod files;
mod system;
mod table;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::StatusCode;
use pomost_http::{CircuitBreaker, Failure, FailureClass, RequestEffect, SendPermit};
use pomost_models::{Batch, Lane};
use pomost_store::{KnownRecord, Store};

use crate::{claims::ClaimedRecord, decide::Decision};

pub use destination::Destination;

/// Writes the records of one flow to its destination.
#[async_trait]
pub(crate) trait DestinationWriter: Send + Sync {
    /// Plans what an action sends for these items, without sending it. There is at least one item,
    /// and exactly one where the action has no [bulk size](DestinationWriter::bulk_size).
    ///
    /// A failure is of all items together: where one of several is at fault, bisecting finds it.
    fn plan<'a>(
        &'a self,
        action: RecordAction,
        items: &'a [WriteItem<'a>],
    ) -> Result<Box<dyn PlannedWrite + 'a>, Failure>;

    /// Returns how many records at most one write can take for an action; none if it is done for
    /// each record alone.
    fn bulk_size(&self, action: RecordAction) -> Option<usize>;

    /// Returns how many writes may be in flight at a time.
    fn concurrency(&self) -> usize;

    /// Returns the circuit breaker that every write passes. While it is open the flow takes no
    /// batches.
    fn breaker(&self) -> Option<&CircuitBreaker>;

    /// Returns how long a write may still take effect after it was given up.
    fn in_doubt_for(&self) -> Duration {
        Duration::ZERO
    }

    /// True if every change names the state that it replaces, where that is known.
    fn changes_conditionally(&self) -> bool {
        false
    }

    /// True if entity tags are remembered and sent.
    fn keeps_etags(&self) -> bool {
        false
    }

    /// Returns a writer whose requests have the priority of this lane; none where lanes make no
    /// difference.
    fn in_lane(&self, _: Lane) -> Option<Arc<dyn DestinationWriter>> {
        None
    }

    /// Deletes what the writer keeps for batches that can be redelivered, once they cannot any
    /// more.
    async fn clean_up(&self, _: &dyn Store) {}
}

/// A write that was planned. Its [`Display`](fmt::Display) shows what would be sent, which holds
/// data of records: it is for a person who asks for it, never for logs.
#[async_trait]
pub(crate) trait PlannedWrite: fmt::Display + Send {
    /// Carries the plan out, and returns the result of each item, in their order. A failure is of
    /// all items together.
    async fn perform(self: Box<Self>) -> Result<Vec<WriteResult>, Failure>;
}

/// An action at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordAction {
    LookUp,
    Create,
    Update,
    Delete,
}

impl RecordAction {
    /// Returns the action that a decision asks for, with the record's id at the destination where
    /// the decision names one; none if the decision sends nothing.
    pub(crate) fn of(decision: &Decision) -> Option<(RecordAction, Option<&str>)> {
        match decision {
            Decision::LookUp => Some((RecordAction::LookUp, None)),
            Decision::Create => Some((RecordAction::Create, None)),
            Decision::Update(id) => Some((RecordAction::Update, Some(id))),
            Decision::Delete(id) => Some((RecordAction::Delete, Some(id))),
            _ => None,
        }
    }
}

/// One record of a write.
#[derive(Clone, Copy)]
pub(crate) struct WriteItem<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) claimed: &'a ClaimedRecord,
    /// The state of the record at the destination, as far as is known by now.
    pub(crate) known: &'a KnownRecord,
    /// The id that is updated or deleted.
    pub(crate) id: Option<&'a str>,
    /// An earlier attempt may have created the record.
    pub(crate) create_in_doubt: bool,
    /// A change that somebody else made in between is overwritten.
    pub(crate) overwrites: bool,
    /// Says if the write may still be begun.
    pub(crate) permit: SendPermit<'a>,
}

/// The result of a write for one item.
pub(crate) type WriteResult = Result<WriteReceipt, Failure>;

/// The answer of the destination about an item.
#[derive(Debug, Default)]
pub(crate) struct WriteReceipt {
    /// The id of the record that was found or created; none if none was found, or if the new
    /// record's id is its key.
    pub(crate) id: Option<String>,
    pub(crate) etag: Option<String>,
}

/// The same failure, of a request that certainly changed nothing.
pub(crate) fn without_effect(failure: Failure) -> Failure {
    Failure {
        effect: RequestEffect::None,
        ..failure
    }
}

/// The same failure, of a request that may have changed something.
pub(crate) fn with_unknown_effect(failure: Failure) -> Failure {
    Failure {
        effect: RequestEffect::Unknown,
        ..failure
    }
}

/// True if the record is not in the state that `If-Match` names (RFC 9110 §13.1.1).
pub(crate) fn is_precondition_failure(failure: &Failure) -> bool {
    let is_412 = failure.status == Some(StatusCode::PRECONDITION_FAILED.as_u16());
    is_412 && failure.class == FailureClass::Invalid
}

#[cfg(test)]
mod tests;
