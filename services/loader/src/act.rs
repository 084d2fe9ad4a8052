//! Carrying out what was decided for one record.

use std::sync::OnceLock;

use http::StatusCode;
use pomost_expression::Value;
use pomost_http::{Failure, FailureClass, RequestEffect, SendPermit};
use pomost_models::{Batch, Outcome, Record};
use pomost_project::flow::{IfMatch, SystemDestination, UpdateRequest};
use pomost_store::{KnownRecord, ledger::ContentHash};

use crate::{
    decide::{Case, Doubt, Step},
    destination::Destination,
};

const MIXED: &str = "its version is of another type than the one that was applied before: times, numbers and text have \
    no common order; say what versions are with extract.version_type";

/// How acting on a record ended.
#[derive(Debug)]
pub enum End {
    /// The destination is as the record wants it.
    Applied {
        /// How the record settles.
        outcome: Outcome,
        /// What is known of it there.
        known: KnownRecord,
    },
    /// Nothing was done, and nothing is to be: the flow does not do what the record needs.
    LeftAlone,
    /// Nothing was done: another worker is at it, or time ran out. It is to come again shortly.
    NotNow,
    /// Nothing was done: what an earlier attempt asked for may still be under way.
    NotYet,
    /// Nothing was done: the destination may have the record.
    InDoubt {
        /// Whether somebody else may find out, so that it is worth trying again.
        may_clear: bool,
    },
    /// Nothing was done: somebody else changed the record there.
    Changed(Failure),
    /// A request failed, and with that nobody knows if the record has been created: nothing can tell, or what
    /// was to tell does not.
    CreatedPerhaps(Failure),
    /// A request failed.
    Failed(Failed),
}

/// A request that failed.
#[derive(Debug)]
pub struct Failed {
    /// How.
    pub failure: Failure,
    /// Whether the destination may have changed all the same.
    pub effect: RequestEffect,
}

/// One record at work.
pub struct Act<'a> {
    pub(crate) destination: &'a Destination,
    pub(crate) batch: &'a Batch,
    pub(crate) record: &'a Record,
    pub(crate) hash: &'a ContentHash,
    pub(crate) case: Case<'a>,
    /// What is known of it at the destination by now.
    pub(crate) known: KnownRecord,
    /// Whether anything may still be begun.
    pub(crate) permit: SendPermit<'a>,
    /// The record's data, once somebody needed it.
    pub(crate) parsed: OnceLock<Value>,
    /// Whether it has been looked up.
    looked: bool,
    /// A create that the destination refused because it has the record.
    refused: Option<Failed>,
}

/// Where a step leads.
pub(crate) enum Next {
    Step(Step),
    End(End),
}

/// How far a record has come by itself.
pub(crate) enum Reached<'a> {
    /// To its end.
    End(End),
    /// To a step that is taken for many records together.
    Together(Box<Act<'a>>, Step),
}

impl<'a> Act<'a> {
    /// A record on which nothing has been done yet.
    pub fn new(
        destination: &'a Destination,
        batch: &'a Batch,
        record: &'a Record,
        hash: &'a ContentHash,
        case: Case<'a>,
        known: KnownRecord,
        permit: SendPermit<'a>,
    ) -> Act<'a> {
        let (looked, refused, parsed) = (false, None, OnceLock::new());
        Act {
            destination,
            batch,
            record,
            hash,
            case,
            known,
            permit,
            parsed,
            looked,
            refused,
        }
    }

    /// Each step leads to an end, or to one that was not taken before: what would lead round in a circle
    /// (a second look-up, a second refusal of the same create) is an end.
    pub(crate) async fn go_on(mut self: Box<Act<'a>>, first: Step) -> Reached<'a> {
        let mut step = first;
        loop {
            if self.destination.takes_together(&step) {
                return Reached::Together(self, step);
            }
            match self.take(step).await {
                Next::Step(next) => step = next,
                Next::End(end) => return Reached::End(end),
            }
        }
    }

    /// Where a step leads that was taken together with other records'. Of a create, the id is that of the
    /// new record, where it is not the key.
    pub(crate) fn after(&mut self, step: Step, written: Result<Option<String>, Failed>) -> Next {
        match step {
            Step::Update(id) => self.after_update(written.map(drop), id),
            Step::Delete(_) => self.after_delete(written.map(drop)),
            _ => self.after_create(written.map(|id| id.unwrap_or_else(|| self.record.key.clone()))),
        }
    }

    async fn take(&mut self, step: Step) -> Next {
        let end = match step {
            Step::Leave(outcome) => self.applied(outcome, None),
            Step::LeaveAlone => End::LeftAlone,
            Step::Wait => End::NotNow,
            Step::Await => End::InDoubt { may_clear: true },
            Step::NotYet => End::NotYet,
            Step::Refuse => End::InDoubt { may_clear: false },
            Step::RefuseVersion => {
                return Failed::without_effect(Failure::new(
                    FailureClass::Invalid,
                    MIXED.to_owned(),
                ))
                .into();
            }
            Step::Adopt(id) => self.applied(Outcome::Created, Some(id)),
            Step::LookUp => return self.look_up().await,
            Step::Create => {
                let created = self.created().await;
                return self.after_create(created);
            }
            Step::Update(id) => {
                let updated = self.changed(self.load().update.as_ref(), &id).await;
                return self.after_update(updated, id);
            }
            Step::Delete(id) => {
                let deleted = self.changed(self.load().delete.as_ref(), &id).await;
                return self.after_delete(deleted);
            }
        };
        Next::End(end)
    }

    async fn look_up(&mut self) -> Next {
        let found = match self.found().await {
            Ok(found) => found,
            Err(failure) if self.is_create_in_doubt() && failure.class == FailureClass::Invalid => {
                return Next::End(End::CreatedPerhaps(failure));
            }
            Err(failure) => return Failed::without_effect(failure).into(),
        };
        self.looked = true;
        match (found, self.refused.take()) {
            (None, Some(refused)) => self.refused_for_now(refused).into(),
            (found, _) => Next::Step(self.case.after_lookup(found)),
        }
    }

    fn after_create(&mut self, created: Result<String, Failed>) -> Next {
        match created {
            Ok(id) => Next::End(self.applied(Outcome::Created, Some(id))),
            Err(failed) if failed.is(FailureClass::Conflict) => self.exists(failed),
            Err(failed) => self.not_created(failed),
        }
    }

    fn not_created(&self, failed: Failed) -> Next {
        let failed = self.taken_for_passing(failed);
        let leads_nowhere = failed.is(FailureClass::Invalid) || !self.can_tell();
        match failed.effect == RequestEffect::Unknown && leads_nowhere {
            true => Next::End(End::CreatedPerhaps(failed.failure)),
            false => failed.into(),
        }
    }

    /// What is neither a yes nor a refusal (a redirect, a yes without the id that it should have) may pass once:
    /// whoever comes again finds out what was done, or does it again. Then it is how the destination answers.
    fn taken_for_passing(&self, failed: Failed) -> Failed {
        let may_pass = failed.effect == RequestEffect::Unknown && self.case.doubt == Doubt::None;
        match may_pass && failed.is(FailureClass::Invalid) {
            true => Failed {
                failure: Failure {
                    class: FailureClass::Transient,
                    ..failed.failure
                },
                ..failed
            },
            false => failed,
        }
    }

    pub(crate) fn is_create_in_doubt(&self) -> bool {
        self.case.doubt != Doubt::None && self.known.id.is_none() && self.case.means.creates
    }

    /// A create that the destination refuses because it has the record leads to that record, once.
    fn exists(&mut self, failed: Failed) -> Next {
        match self.case.after_conflict() {
            Some(step) if !self.looked && self.refused.is_none() => {
                self.refused = Some(failed);
                Next::Step(step)
            }
            _ => self.refused_for_now(failed).into(),
        }
    }

    /// Nothing leads to what is in the way of a create. Where an earlier attempt is in doubt, it may be that:
    /// servers refuse a request under an idempotency key that they are still at
    /// (draft-ietf-httpapi-idempotency-key-header).
    fn refused_for_now(&self, failed: Failed) -> Failed {
        if self.case.doubt == Doubt::None {
            return failed;
        }
        let message = format!(
            "{}; an earlier attempt may still be under way",
            failed.failure.message
        );
        Failed::without_effect(Failure {
            class: FailureClass::Transient,
            message,
            ..failed.failure
        })
    }

    fn after_update(&mut self, updated: Result<(), Failed>, id: String) -> Next {
        match updated {
            Ok(()) => Next::End(self.applied(Outcome::Updated, Some(id))),
            Err(failed) => self.not_changed(failed),
        }
    }

    fn after_delete(&mut self, deleted: Result<(), Failed>) -> Next {
        match deleted {
            Ok(()) => {
                self.lose();
                Next::End(self.applied(Outcome::Deleted, None))
            }
            Err(failed) => self.not_changed(failed),
        }
    }

    /// Makes a change; where the flow says so, on condition that nobody else has changed the record
    /// since. Where we cannot tell who did, it was most likely ourselves.
    async fn changed(&mut self, change: Option<&UpdateRequest>, id: &str) -> Result<(), Failed> {
        let Some(change) = change else { return Ok(()) };
        let overwrites = change.if_match == Some(IfMatch::Overwrite)
            || self.case.doubt != Doubt::None
            || self.batch.is_replay();
        match self.change(change, id).await {
            Err(failed) if change.if_match.is_some() && failed.is_precondition() && overwrites => {
                self.known.etag = self
                    .current_etag(change, id)
                    .await
                    .map_err(|error| error.or(failed))?;
                self.change(change, id).await
            }
            changed => changed,
        }
    }

    fn not_changed(&mut self, failed: Failed) -> Next {
        match failed {
            failed if failed.is(FailureClass::Gone) => self.gone(failed),
            failed if failed.is_precondition() && self.destination.keeps_etags() => {
                Next::End(End::Changed(failed.failure))
            }
            failed => self.taken_for_passing(failed).into(),
        }
    }

    /// What a look-up has just found cannot be gone: the destination's index lags behind, and what
    /// it says next time will tell.
    fn gone(&mut self, failed: Failed) -> Next {
        if self.looked {
            let message = format!("{}, though the look-up found it", failed.failure.message);
            let failure = Failure {
                class: FailureClass::Transient,
                message,
                ..failed.failure
            };
            return Failed::without_effect(failure).into();
        }
        self.lose();
        Next::Step(self.case.after_gone())
    }

    /// The destination does not have the record any more.
    fn lose(&mut self) {
        self.known = KnownRecord {
            incarnation: self.known.incarnation + 1,
            ..KnownRecord::default()
        };
    }

    fn applied(&self, outcome: Outcome, id: Option<String>) -> End {
        End::Applied {
            outcome,
            known: KnownRecord {
                id,
                ..self.known.clone()
            },
        }
    }

    pub(crate) fn load(&self) -> &'a SystemDestination {
        &self.destination.requests
    }
}

impl Failed {
    pub(crate) fn with_effect(failure: Failure) -> Failed {
        Failed {
            failure,
            effect: RequestEffect::Unknown,
        }
    }

    pub(crate) fn without_effect(failure: Failure) -> Failed {
        Failed {
            failure,
            effect: RequestEffect::None,
        }
    }

    fn is(&self, class: FailureClass) -> bool {
        self.failure.class == class
    }

    /// Whether the record is not what `If-Match` says (RFC 9110 §13.1.1).
    fn is_precondition(&self) -> bool {
        let refused = self.failure.status == Some(StatusCode::PRECONDITION_FAILED.as_u16());
        refused && self.is(FailureClass::Invalid)
    }

    /// This, where it says more about the record than that something was refused.
    fn or(self, other: Failed) -> Failed {
        if self.is(FailureClass::Invalid) {
            other
        } else {
            self
        }
    }
}

impl From<Failed> for Next {
    fn from(failed: Failed) -> Next {
        Next::End(End::Failed(failed))
    }
}
