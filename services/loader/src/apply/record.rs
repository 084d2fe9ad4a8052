//! Applies one record: decides, sends, and decides again until the record has come to an end.

mod results;

use std::{ops::ControlFlow, slice};

use pomost_http::{Failure, FailureClass, SendPermit};
use pomost_models::{Batch, Outcome};
use pomost_store::KnownRecord;

use super::RecordEnding;
use crate::{
    claims::ClaimedRecord,
    decide::{Decision, InDoubt, RetryReason, Situation, is_still_in_flight},
    destinations::{
        Destination, RecordAction, WriteItem, WriteResult, with_unknown_effect, without_effect,
    },
};

const VERSION_TYPE_MISMATCH: &str = "its version is of another type than the one that was applied before: times, \
    numbers and text have no common order; say what versions are with extract.version_type";

/// A record that is being applied.
pub(crate) struct RecordApply<'a> {
    destination: &'a Destination,
    batch: &'a Batch,
    claimed: &'a ClaimedRecord,
    situation: Situation<'a>,
    /// The state of the record at the destination, as far as is known by now.
    known: KnownRecord,
    /// Says if a request may still be begun.
    permit: SendPermit<'a>,
    has_looked_up: bool,
    /// The refusal of a create because the destination has the record.
    refused_create: Option<Failure>,
}

/// The next decision, or the ending that the record has come to.
type RecordProgress = ControlFlow<RecordEnding, Decision>;

impl<'a> RecordApply<'a> {
    /// Begins with a record on which nothing was done yet; returns the first decision as well.
    pub(crate) fn begin(
        destination: &'a Destination,
        batch: &'a Batch,
        claimed: &'a ClaimedRecord,
        permit: SendPermit<'a>,
    ) -> (Box<RecordApply<'a>>, Decision) {
        let ClaimedRecord {
            record,
            entry,
            result,
            ..
        } = claimed;
        let known = claimed.known();
        let situation = Situation {
            key: &record.key,
            operation: record.op,
            in_doubt: InDoubt::of(result, &entry.hash),
            still_in_flight: is_still_in_flight(result),
            is_conditional: known.etag.is_some() && destination.writer.changes_conditionally(),
            was_there: known.id.is_some(),
            capabilities: destination.capabilities,
        };
        let apply = Box::new(RecordApply {
            destination,
            batch,
            claimed,
            situation,
            known,
            permit,
            has_looked_up: false,
            refused_create: None,
        });
        (apply, situation.first(result))
    }

    /// Takes the record alone through its decisions, up to its ending or to a decision that is
    /// carried out for many records by one write.
    ///
    /// A decision leads to an ending or to a decision that was not taken before: what would lead
    /// round in a circle (a second lookup, a second refusal of the same create) is an ending.
    pub(crate) async fn run_alone(
        mut self: Box<RecordApply<'a>>,
        first: Decision,
    ) -> ControlFlow<RecordEnding, (Box<RecordApply<'a>>, Decision)> {
        if !self.permit.holds() {
            return ControlFlow::Break(RecordEnding::RetryLater(RetryReason::OutOfTime));
        }
        let mut decision = first;
        loop {
            if self.destination.takes_in_bulk(&decision) {
                return ControlFlow::Continue((self, decision));
            }
            decision = self.carry_out(decision).await?;
        }
    }

    /// Returns what the destination needs to know for carrying out a decision.
    pub(crate) fn item<'i>(&'i self, id: Option<&'i str>) -> WriteItem<'i> {
        WriteItem {
            batch: self.batch,
            claimed: self.claimed,
            known: &self.known,
            id,
            create_in_doubt: self.is_create_in_doubt(),
            // After an attempt of unknown end the other change was most likely our own, and a
            // person who replays a record has seen the other change.
            overwrites: self.situation.in_doubt != InDoubt::Nothing || self.batch.is_replay(),
            permit: self.permit,
        }
    }

    async fn carry_out(&mut self, decision: Decision) -> RecordProgress {
        let ending = match decision {
            Decision::Settle(outcome) => self.applied(outcome, None),
            Decision::Skip => RecordEnding::Skipped,
            Decision::RetryLater(reason) => RecordEnding::RetryLater(reason),
            Decision::GiveUpInDoubt => RecordEnding::InDoubt,
            Decision::RefuseVersionType => {
                let message = VERSION_TYPE_MISMATCH.to_owned();
                RecordEnding::Failed(Failure::new(FailureClass::Invalid, message))
            }
            Decision::Adopt(id) => self.applied(Outcome::Created, Some(id)),
            Decision::LookUp => {
                let found = self.write(RecordAction::LookUp, None).await;
                return self.after_lookup(found);
            }
            Decision::Create => {
                let created = self.write(RecordAction::Create, None).await;
                return self.after_write(decision, created);
            }
            Decision::Update(ref id) => {
                let updated = self.write(RecordAction::Update, Some(id)).await;
                return self.after_write(decision, updated);
            }
            Decision::Delete(ref id) => {
                let deleted = self.write(RecordAction::Delete, Some(id)).await;
                return self.after_write(decision, deleted);
            }
        };
        ControlFlow::Break(ending)
    }

    async fn write(&self, action: RecordAction, id: Option<&str>) -> WriteResult {
        let item = self.item(id);
        let planned = self
            .destination
            .writer
            .plan(action, slice::from_ref(&item))
            .map_err(without_effect)?;
        let mut results = planned.perform().await?;
        results.pop().unwrap_or_else(|| Err(without_result()))
    }

    fn is_create_in_doubt(&self) -> bool {
        self.situation.in_doubt != InDoubt::Nothing
            && self.known.id.is_none()
            && self.situation.capabilities.creates
    }

    fn can_clear_doubt(&self) -> bool {
        self.situation.capabilities.can_clear_doubt()
    }

    /// The destination does not have the record any more.
    fn forget_known(&mut self) {
        self.known = KnownRecord {
            incarnation: self.known.incarnation + 1,
            ..KnownRecord::default()
        };
    }

    fn applied(&self, outcome: Outcome, id: Option<String>) -> RecordEnding {
        RecordEnding::Applied {
            outcome,
            known: KnownRecord {
                id,
                ..self.known.clone()
            },
        }
    }
}

/// A writer returns a result for every item; without one it is unknown what was done.
fn without_result() -> Failure {
    let message = "the destination returned no result for the record".to_owned();
    with_unknown_effect(Failure::new(FailureClass::Invalid, message))
}
