//! The decision about one record: a pure function of the operation, the claim's result and what the
//! flow can find out. Nothing here waits, sends or stores.

use pomost_models::{Operation, Outcome};
use pomost_store::{ClaimResult, ledger::ContentHash};

/// The next thing to do with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Send nothing; the record settles with this outcome.
    Settle(Outcome),
    /// Send nothing: the flow does not do what the record needs.
    Skip,
    /// Send nothing now; the record comes again.
    RetryLater(RetryReason),
    /// Ask the destination if it has the record.
    LookUp,
    /// Create the record.
    Create,
    /// Send nothing more: an earlier attempt created the record, under this id.
    Adopt(String),
    /// Update the record of this id.
    Update(String),
    /// Delete the record of this id.
    Delete(String),
    /// Give the record up: it is unknown if the destination has it, and nothing can tell.
    GiveUpInDoubt,
    /// Give the record up: its version has no order with the one that was applied.
    RefuseVersionType,
}

/// The reason why a record is retried although nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryReason {
    /// Another worker holds the claim on the key.
    ClaimedElsewhere,
    /// Other content may have been created. Only a record with that content can find out, by
    /// repeating the create or by a lookup.
    InDoubt,
    /// An earlier request for the key may still take effect at the destination.
    StillInFlight,
    /// The time for starting requests is over.
    OutOfTime,
}

/// The operations of a flow, and its means of finding out what the destination has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Capabilities {
    pub(crate) creates: bool,
    pub(crate) updates: bool,
    pub(crate) deletes: bool,
    /// The flow can look a record up.
    pub(crate) looks_up: bool,
    /// The flow looks a record up before it creates one.
    pub(crate) looks_up_first: bool,
    /// The id of a record at the destination is its key.
    pub(crate) id_is_key: bool,
    pub(crate) create_idempotency: CreateIdempotency,
}

/// The creates that can be repeated without creating another record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CreateIdempotency {
    /// No create.
    #[default]
    Never,
    /// A create with the same content: the destination ignores the repetition.
    SameContent,
    /// Every create: it replaces what is there.
    AnyContent,
}

/// An earlier attempt of which it is unknown how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InDoubt {
    /// There is none.
    Nothing,
    /// The attempt was to apply this very content.
    SameContent,
    /// The attempt was to apply other content, or content that nobody noted.
    OtherContent,
}

impl InDoubt {
    /// Reads it from the result of a claim for a record with this content.
    pub(crate) fn of(result: &ClaimResult, hash: &ContentHash) -> InDoubt {
        match result {
            ClaimResult::InDoubt { attempted, .. } if attempted.as_ref() == Some(hash) => {
                InDoubt::SameContent
            }
            ClaimResult::InDoubt { .. } => InDoubt::OtherContent,
            _ => InDoubt::Nothing,
        }
    }
}

impl Capabilities {
    /// True if the flow can find out whether a create took place, or if that does not matter.
    pub(crate) fn can_clear_doubt(&self) -> bool {
        self.looks_up
            || self.create_idempotency != CreateIdempotency::Never
            || (self.id_is_key && self.updates)
    }
}

/// True if the request of an earlier attempt may still take effect.
pub(crate) fn is_still_in_flight(result: &ClaimResult) -> bool {
    matches!(
        result,
        ClaimResult::InDoubt {
            still_in_flight: true,
            ..
        }
    )
}

/// The facts that decide about a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation<'a> {
    pub(crate) key: &'a str,
    pub(crate) operation: Operation,
    pub(crate) in_doubt: InDoubt,
    /// The request that is in doubt may still take effect.
    pub(crate) still_in_flight: bool,
    /// Every change of the record names the state that it replaces (`If-Match`), so that an earlier
    /// one which takes effect late is refused.
    pub(crate) is_conditional: bool,
    /// The destination had the record, as far as is known.
    pub(crate) was_there: bool,
    pub(crate) capabilities: Capabilities,
}

impl Situation<'_> {
    /// Decides on the first step.
    pub(crate) fn first(self, result: &ClaimResult) -> Decision {
        let known = match result {
            ClaimResult::Unchanged => return Decision::Settle(Outcome::Unchanged),
            ClaimResult::Stale => return Decision::Settle(Outcome::Stale),
            ClaimResult::Dead => return Decision::Settle(Outcome::Dead),
            ClaimResult::ClaimedElsewhere => {
                return Decision::RetryLater(RetryReason::ClaimedElsewhere);
            }
            ClaimResult::VersionTypeMismatch => return Decision::RefuseVersionType,
            ClaimResult::Claimed(known) | ClaimResult::InDoubt { known, .. } => known,
        };
        let decision = match &known.id {
            _ if self.is_not_done_by_flow() => Decision::Skip,
            Some(id) => self.change(id.clone()),
            None if self.in_doubt == InDoubt::Nothing || !self.capabilities.creates => {
                self.without_known_id()
            }
            None => self.after_create_in_doubt(),
        };
        self.unless_undone_later(decision)
    }

    /// Decides on the step after a lookup.
    pub(crate) fn after_lookup(self, found: Option<String>) -> Decision {
        match found {
            // The same content was attempted before, and nobody else knows of the record: it is
            // what that attempt created.
            Some(id)
                if self.operation == Operation::Upsert
                    && !self.capabilities.updates
                    && self.in_doubt == InDoubt::SameContent =>
            {
                Decision::Adopt(id)
            }
            // Where the flow creates, what was found is most likely the create in flight, which has
            // ended then. Where it does not, an update or a deletion is in flight.
            Some(id) if !self.capabilities.creates => self.unless_undone_later(self.change(id)),
            Some(id) => self.change(id),
            // A deletion is looked up by the row that was deleted, and the record was created from
            // another one: only a record with that content can find it for certain.
            None if self.operation == Operation::Delete
                && self.in_doubt == InDoubt::OtherContent =>
            {
                Decision::RetryLater(RetryReason::InDoubt)
            }
            None => self.when_absent(),
        }
    }

    /// Decides on the step after the destination said that it does not have the record of the known
    /// id: it was deleted there, or an earlier attempt found that too and may have created another.
    pub(crate) fn after_gone(self) -> Decision {
        match self.in_doubt {
            _ if self.capabilities.id_is_key => self.when_absent(),
            InDoubt::Nothing
                if self.operation == Operation::Delete || !self.capabilities.looks_up =>
            {
                self.create_or_settle()
            }
            _ => self.after_create_in_doubt(),
        }
    }

    /// Decides on the step after the destination refused a create because it has the record; none
    /// where nothing leads to that record. Where a create is in doubt, the record in the way may be
    /// the one of that create, whose end is unknown.
    pub(crate) fn after_conflict(self) -> Option<Decision> {
        match self.capabilities {
            Capabilities { updates: false, .. } => {
                (self.in_doubt == InDoubt::Nothing).then_some(Decision::Skip)
            }
            Capabilities { looks_up: true, .. } => Some(Decision::LookUp),
            Capabilities {
                id_is_key: true, ..
            } => Some(Decision::Update(self.key.to_owned())),
            _ => None,
        }
    }

    fn is_not_done_by_flow(self) -> bool {
        let Capabilities {
            creates,
            updates,
            deletes,
            ..
        } = self.capabilities;
        match self.operation {
            Operation::Upsert => !creates && !updates,
            Operation::Delete => !deletes,
        }
    }

    /// Updates or deletes the record of this id.
    fn change(self, id: String) -> Decision {
        match self.operation {
            Operation::Upsert if !self.capabilities.updates => Decision::Skip,
            Operation::Upsert => Decision::Update(id),
            Operation::Delete => Decision::Delete(id),
        }
    }

    /// Waits instead of sending a request that an earlier one, which takes effect late, would undo.
    ///
    /// The same content waits as well: once it is applied nothing remembers the earlier request,
    /// and the change after it would be undone.
    fn unless_undone_later(self, decision: Decision) -> Decision {
        let replaces = match decision {
            Decision::Update(_) | Decision::Delete(_) => !self.is_conditional,
            Decision::Create => {
                self.capabilities.create_idempotency == CreateIdempotency::AnyContent
            }
            _ => false,
        };
        match self.still_in_flight && replaces {
            true => Decision::RetryLater(RetryReason::StillInFlight),
            false => decision,
        }
    }

    /// The destination does not have the record. While an earlier create may be in flight that says
    /// nothing, unless one more create replaces what the earlier one makes.
    fn when_absent(self) -> Decision {
        let may_appear = match self.operation {
            Operation::Upsert => {
                self.capabilities.create_idempotency != CreateIdempotency::AnyContent
            }
            Operation::Delete => self.in_doubt == InDoubt::OtherContent,
        };
        match self.still_in_flight && may_appear {
            true => Decision::RetryLater(RetryReason::StillInFlight),
            false => self.create_or_settle(),
        }
    }

    /// A record that the destination does not have is created; its deletion has nothing to do.
    fn create_or_settle(self) -> Decision {
        match self.operation {
            Operation::Upsert if !self.capabilities.creates => Decision::Skip,
            Operation::Upsert => Decision::Create,
            Operation::Delete if self.was_there => Decision::Settle(Outcome::Deleted),
            Operation::Delete => Decision::Settle(Outcome::Unchanged),
        }
    }

    /// Nothing was done to the record before. Where the flow creates the records that it writes,
    /// the destination does not have it, unless it had some before the flow.
    fn without_known_id(self) -> Decision {
        let Capabilities {
            creates,
            looks_up,
            looks_up_first,
            ..
        } = self.capabilities;
        match self.operation {
            _ if !creates && !looks_up => self.change(self.key.to_owned()),
            Operation::Delete if creates => self.create_or_settle(),
            _ if !creates || looks_up_first => Decision::LookUp,
            _ => self.create_or_settle(),
        }
    }

    /// An earlier attempt may have created the record.
    fn after_create_in_doubt(self) -> Decision {
        let Capabilities {
            id_is_key,
            updates,
            create_idempotency,
            ..
        } = self.capabilities;
        match self.operation {
            _ if self.capabilities.looks_up => Decision::LookUp,
            // The update of a record that is not there is refused, which tells.
            Operation::Upsert if id_is_key && updates => Decision::Update(self.key.to_owned()),
            Operation::Delete if id_is_key => Decision::Delete(self.key.to_owned()),
            // An attempt at this very deletion has created nothing.
            Operation::Delete if self.in_doubt == InDoubt::SameContent => self.create_or_settle(),
            Operation::Upsert if create_idempotency == CreateIdempotency::AnyContent => {
                Decision::Create
            }
            Operation::Upsert
                if create_idempotency == CreateIdempotency::SameContent
                    && self.in_doubt == InDoubt::SameContent =>
            {
                Decision::Create
            }
            _ if create_idempotency == CreateIdempotency::SameContent => {
                Decision::RetryLater(RetryReason::InDoubt)
            }
            _ => Decision::GiveUpInDoubt,
        }
    }
}

#[cfg(test)]
mod tests;
