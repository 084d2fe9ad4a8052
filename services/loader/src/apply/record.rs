//! Applies one record: decides, sends, and decides again until the record has come to an end.

use std::{ops::ControlFlow, slice};

use pomost_http::{Failure, FailureClass, RequestEffect, SendPermit};
use pomost_models::{Batch, Outcome};
use pomost_store::KnownRecord;

use super::RecordEnding;
use crate::{
    claims::ClaimedRecord,
    decide::{Decision, InDoubt, RetryReason, Situation, is_still_in_flight},
    destinations::{
        Destination, RecordAction, WriteItem, WriteReceipt, WriteResult, is_precondition_failure,
        with_unknown_effect, without_effect,
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
pub(crate) type RecordProgress = ControlFlow<RecordEnding, Decision>;

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

    /// Takes the record alone through its decisions, up to its ending or to a decision that is carried
    /// out for many records by one write.
    ///
    /// A decision leads to an ending or to a decision that was not taken before: what would lead round
    /// in a circle (a second lookup, a second refusal of the same create) is an ending.
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
            // After an attempt of unknown end the other change was most likely our own, and a person
            // who replays a record has seen the other change.
            overwrites: self.situation.in_doubt != InDoubt::Nothing || self.batch.is_replay(),
            permit: self.permit,
        }
    }

    /// Goes on from the result of a write.
    pub(crate) fn after_write(
        &mut self,
        decision: Decision,
        result: WriteResult,
    ) -> RecordProgress {
        let result = result.map_err(|failure| self.with_judged_effect(failure, &decision));
        match decision {
            Decision::Update(id) => self.after_update(id, result),
            Decision::Delete(_) => self.after_delete(result),
            _ => self.after_create(result),
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

    fn after_lookup(&mut self, found: WriteResult) -> RecordProgress {
        let WriteReceipt { id, etag } = match found {
            Ok(found) => found,
            Err(failure) if self.is_create_in_doubt() && failure.class == FailureClass::Invalid => {
                return ControlFlow::Break(RecordEnding::CreateInDoubt(failure));
            }
            Err(failure) => return failed(without_effect(failure)),
        };
        self.has_looked_up = true;
        self.known.etag = etag;
        match (id, self.refused_create.take()) {
            (None, Some(refused)) => failed(self.refused_for_now(refused)),
            (found, _) => ControlFlow::Continue(self.situation.after_lookup(found)),
        }
    }

    fn after_create(&mut self, created: WriteResult) -> RecordProgress {
        match created {
            Ok(WriteReceipt { id, etag }) => {
                self.known.etag = etag;
                let id = id.unwrap_or_else(|| self.claimed.record.key.clone());
                ControlFlow::Break(self.applied(Outcome::Created, Some(id)))
            }
            Err(failure) if failure.class == FailureClass::Conflict => self.after_conflict(failure),
            Err(failure) => ControlFlow::Break(self.not_created(failure)),
        }
    }

    fn not_created(&self, failure: Failure) -> RecordEnding {
        let failure = self.passing_at_first(failure);
        let leads_nowhere = failure.class == FailureClass::Invalid || !self.can_clear_doubt();
        match failure.effect == RequestEffect::Unknown && leads_nowhere {
            true => RecordEnding::CreateInDoubt(failure),
            false => RecordEnding::Failed(failure),
        }
    }

    /// A create that the destination refuses because it has the record leads to that record, once.
    fn after_conflict(&mut self, refusal: Failure) -> RecordProgress {
        match self.situation.after_conflict() {
            Some(decision) if !self.has_looked_up && self.refused_create.is_none() => {
                self.refused_create = Some(refusal);
                ControlFlow::Continue(decision)
            }
            _ => failed(self.refused_for_now(refusal)),
        }
    }

    /// Nothing leads to the record that is in the way of a create. Where an earlier attempt is in
    /// doubt, it may be that attempt's: servers refuse a request under an idempotency key that they
    /// are still at (draft-ietf-httpapi-idempotency-key-header).
    fn refused_for_now(&self, refusal: Failure) -> Failure {
        if self.situation.in_doubt == InDoubt::Nothing {
            return refusal;
        }
        let message = format!(
            "{}; an earlier attempt may still be under way",
            refusal.message
        );
        without_effect(Failure {
            class: FailureClass::Transient,
            message,
            ..refusal
        })
    }

    fn after_update(&mut self, id: String, updated: WriteResult) -> RecordProgress {
        match updated {
            Ok(WriteReceipt { etag, .. }) => {
                self.known.etag = etag;
                ControlFlow::Break(self.applied(Outcome::Updated, Some(id)))
            }
            Err(failure) => self.not_changed(failure),
        }
    }

    fn after_delete(&mut self, deleted: WriteResult) -> RecordProgress {
        match deleted {
            Ok(_) => {
                self.forget_known();
                ControlFlow::Break(self.applied(Outcome::Deleted, None))
            }
            Err(failure) => self.not_changed(failure),
        }
    }

    fn not_changed(&mut self, failure: Failure) -> RecordProgress {
        let keeps_etags = self.destination.writer.keeps_etags();
        match failure {
            failure if failure.class == FailureClass::Gone => self.after_gone(failure),
            failure if is_precondition_failure(&failure) && keeps_etags => {
                ControlFlow::Break(RecordEnding::ChangedElsewhere(failure))
            }
            failure => failed(ended_by_answer(self.passing_at_first(failure))),
        }
    }

    /// A record that a lookup has just found cannot be gone: the destination's index lags behind, and
    /// its next answer will tell.
    fn after_gone(&mut self, failure: Failure) -> RecordProgress {
        if self.has_looked_up {
            let message = format!("{}, though the look-up found it", failure.message);
            return failed(without_effect(Failure {
                class: FailureClass::Transient,
                message,
                ..failure
            }));
        }
        self.forget_known();
        ControlFlow::Continue(self.situation.after_gone())
    }

    /// An answer that is neither a yes nor a refusal (a redirect, a yes without the id that it should
    /// have) passes once: the next attempt finds out what was done, or does it again. When it comes a
    /// second time, it is how the destination answers.
    fn passing_at_first(&self, failure: Failure) -> Failure {
        let is_first =
            failure.effect == RequestEffect::Unknown && self.situation.in_doubt == InDoubt::Nothing;
        match is_first && failure.class == FailureClass::Invalid {
            true => Failure {
                class: FailureClass::Transient,
                ..failure
            },
            false => failure,
        }
    }

    /// A destination that reports an error has most likely done nothing. Where finding out is cheap, it
    /// is found out, and a record of known id can simply be written again. Where finding out is
    /// impossible, the likely is taken for true.
    fn with_judged_effect(&self, failure: Failure, decision: &Decision) -> Failure {
        match failure.effect {
            RequestEffect::Unlikely
                if matches!(decision, Decision::Create) && !self.can_clear_doubt() =>
            {
                without_effect(failure)
            }
            _ => failure,
        }
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

/// A change that was answered has ended, whatever it did. Only a gateway (408, 5xx) answers while the
/// system behind it may still be at work.
fn ended_by_answer(failure: Failure) -> Failure {
    let is_answer = failure
        .status
        .is_some_and(|status| (200..400).contains(&status));
    match is_answer && failure.effect == RequestEffect::Unknown {
        true => Failure {
            effect: RequestEffect::Unlikely,
            ..failure
        },
        false => failure,
    }
}

/// A writer returns a result for every item; without one it is unknown what was done.
fn without_result() -> Failure {
    let message = "the destination returned no result for the record".to_owned();
    with_unknown_effect(Failure::new(FailureClass::Invalid, message))
}

fn failed(failure: Failure) -> RecordProgress {
    ControlFlow::Break(RecordEnding::Failed(failure))
}
