//! Goes on with a record from the result of a lookup or a write.

use std::ops::ControlFlow;

use pomost_http::{Failure, FailureClass, RequestEffect};
use pomost_models::Outcome;

use super::{RecordApply, RecordProgress};
use crate::{
    apply::RecordEnding,
    decide::{Decision, InDoubt},
    destinations::{WriteReceipt, WriteResult, is_precondition_failure, without_effect},
};

impl RecordApply<'_> {
    /// Goes on from the result of a write.
    pub(in crate::apply) fn after_write(
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

    /// Goes on from the result of a lookup.
    pub(super) fn after_lookup(&mut self, found: WriteResult) -> RecordProgress {
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

    /// The record that is in the way of a create cannot be found. Where an earlier attempt is in
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

    /// A record that a lookup has just found cannot be gone: the destination's index lags behind,
    /// and its next answer will tell.
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

    /// An answer that is neither a yes nor a refusal (a redirect, a yes without the id that it
    /// should have) passes once: the next attempt finds out what was done, or does it again. When
    /// it comes a second time, it is how the destination answers.
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

    /// A destination that reports an error has most likely done nothing. Where finding out is
    /// cheap, it is found out, and a record of known id can simply be written again. Where finding
    /// out is impossible, the likely is taken for true.
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
}

/// A change that was answered has ended, whatever it did. Only a gateway (408, 5xx) answers while
/// the system behind it may still be at work.
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

fn failed(failure: Failure) -> RecordProgress {
    ControlFlow::Break(RecordEnding::Failed(failure))
}
