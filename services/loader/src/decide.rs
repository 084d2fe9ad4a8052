//! What to do with a record: a pure function of the operation, the ledger's answer and what the
//! flow can find out.

use pomost_models::{Operation, Outcome};
use pomost_store::{ClaimResult, ledger::ContentHash};

/// What to do with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing; it settles so.
    Leave(Outcome),
    /// Nothing: the flow does not do to it what it needs.
    LeaveAlone,
    /// Nothing now: another worker is at it.
    Wait,
    /// Create it.
    Create,
    /// Nothing more: an earlier attempt created it, under this id.
    Adopt(String),
    /// Update the record of this id.
    Update(String),
    /// Delete the record of this id.
    Delete(String),
    /// Ask the destination whether it has the record.
    LookUp,
    /// Nothing for a while: other content may have been created, and only whoever brings that again
    /// can find out, by repeating the create or looking it up.
    Await,
    /// Nothing yet: the destination does not have it, but may be at what was asked of it before.
    NotYet,
    /// Give it up: whether the destination has it is not known, and nothing can tell.
    Refuse,
    /// Give it up: its version has no order with the one that was applied.
    RefuseVersion,
}

/// What a flow does to records, and what it has for finding out what the destination has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Means {
    /// It makes records.
    pub creates: bool,
    /// It changes records.
    pub updates: bool,
    /// It deletes records.
    pub deletes: bool,
    /// It can look a record up.
    pub lookup: bool,
    /// It does so before it makes one.
    pub looks_first: bool,
    /// A record's id at the destination is its key.
    pub id_is_key: bool,
    /// Which creates may be repeated.
    pub repeats: Repeats,
}

/// Which creates may be repeated without making another record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repeats {
    /// None.
    #[default]
    Never,
    /// Those with the same content: the destination ignores them.
    SameContent,
    /// All: they replace what is there.
    Always,
}

/// Whether an earlier attempt at the record may have had an effect that nobody knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// There was none.
    None,
    /// There was one, at this very content.
    Same,
    /// There was one, at other content or nobody knows at what.
    Other,
}

impl Doubt {
    /// What the ledger's answer says about it to whoever brings this content.
    pub fn of(answer: &ClaimResult, hash: &ContentHash) -> Doubt {
        match answer {
            ClaimResult::InDoubt { attempted, .. } if attempted.as_ref() == Some(hash) => {
                Doubt::Same
            }
            ClaimResult::InDoubt { .. } => Doubt::Other,
            _ => Doubt::None,
        }
    }
}

/// Whether what an earlier attempt asked for may still be under way.
pub fn is_under_way(answer: &ClaimResult) -> bool {
    matches!(
        answer,
        ClaimResult::InDoubt {
            still_in_flight: true,
            ..
        }
    )
}

/// What a record's steps are decided on.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The record's key.
    pub key: &'a str,
    /// What is to happen to it.
    pub op: Operation,
    /// What may have happened to it.
    pub doubt: Doubt,
    /// Whether that may happen yet.
    pub under_way: bool,
    /// Whether the destination had it, as far as is known.
    pub was_there: bool,
    /// What can be done to it, and found out about it.
    pub means: Means,
}

impl Case<'_> {
    /// The first step.
    pub fn first(self, answer: &ClaimResult) -> Step {
        let known = match answer {
            ClaimResult::Unchanged => return Step::Leave(Outcome::Unchanged),
            ClaimResult::Stale => return Step::Leave(Outcome::Stale),
            ClaimResult::ClaimedElsewhere => return Step::Wait,
            ClaimResult::VersionTypeMismatch => return Step::RefuseVersion,
            ClaimResult::Dead => return Step::Leave(Outcome::Dead),
            ClaimResult::Claimed(known) | ClaimResult::InDoubt { known, .. } => known,
        };
        match &known.id {
            _ if self.is_none_of_our_business() => Step::LeaveAlone,
            Some(id) => self.with(id.clone()),
            None if self.doubt == Doubt::None || !self.means.creates => self.unlinked(),
            None => self.in_doubt(),
        }
    }

    /// The step after a look-up.
    pub fn after_lookup(self, found: Option<String>) -> Step {
        match found {
            // Of whoever looked after an attempt of its own that it knows nothing of.
            Some(id)
                if self.op == Operation::Upsert
                    && !self.means.updates
                    && self.doubt == Doubt::Same =>
            {
                Step::Adopt(id)
            }
            Some(id) => self.with(id),
            // A deletion is looked up by the row, and what was created was made of it: only whoever brings
            // that again can find it for certain.
            None if self.op == Operation::Delete && self.doubt == Doubt::Other => Step::Await,
            None => self.absent(),
        }
    }

    /// The step after the destination said that it does not have the record of that id: it was
    /// deleted there, or an earlier attempt found that as well and may have made another.
    pub fn after_gone(self) -> Step {
        match self.doubt {
            _ if self.means.id_is_key => self.absent(),
            Doubt::None if self.op == Operation::Delete || !self.means.lookup => self.without(),
            _ => self.in_doubt(),
        }
    }

    /// The step after the destination refused a create because it has the record; none where nothing
    /// leads to it. What is in the way of a create in doubt may be the earlier attempt itself, of which nobody
    /// knows how it ends.
    pub fn after_conflict(self) -> Option<Step> {
        match self.means {
            Means { updates: false, .. } => (self.doubt == Doubt::None).then_some(Step::LeaveAlone),
            Means { lookup: true, .. } => Some(Step::LookUp),
            Means {
                id_is_key: true, ..
            } => Some(Step::Update(self.key.to_owned())),
            _ => None,
        }
    }

    fn is_none_of_our_business(self) -> bool {
        let Means {
            creates,
            updates,
            deletes,
            ..
        } = self.means;
        match self.op {
            Operation::Upsert => !creates && !updates,
            Operation::Delete => !deletes,
        }
    }

    fn with(self, id: String) -> Step {
        match self.op {
            Operation::Upsert if !self.means.updates => Step::LeaveAlone,
            Operation::Upsert => Step::Update(id),
            Operation::Delete => Step::Delete(id),
        }
    }

    /// The destination does not have it. While an earlier create may be under way that says nothing, unless
    /// one more replaces what that makes.
    fn absent(self) -> Step {
        let may_come = match self.op {
            Operation::Upsert => self.means.repeats != Repeats::Always,
            Operation::Delete => self.doubt == Doubt::Other,
        };
        if self.under_way && may_come {
            Step::NotYet
        } else {
            self.without()
        }
    }

    /// What the destination does not have needs no deleting.
    fn without(self) -> Step {
        match self.op {
            Operation::Upsert if !self.means.creates => Step::LeaveAlone,
            Operation::Upsert => Step::Create,
            Operation::Delete if self.was_there => Step::Leave(Outcome::Deleted),
            Operation::Delete => Step::Leave(Outcome::Unchanged),
        }
    }

    /// Nothing was done to the record before. Where the flow makes the records that it writes, the
    /// destination has none of it, unless it had some before the flow.
    fn unlinked(self) -> Step {
        let Means {
            creates,
            lookup,
            looks_first,
            ..
        } = self.means;
        match self.op {
            _ if !creates && !lookup => self.with(self.key.to_owned()),
            Operation::Delete if creates => self.without(),
            _ if !creates || looks_first => Step::LookUp,
            _ => self.without(),
        }
    }

    /// An earlier attempt may have created the record.
    fn in_doubt(self) -> Step {
        let means = self.means;
        match self.op {
            _ if means.lookup => Step::LookUp,
            // The update of a record that is not there tells.
            Operation::Upsert if means.id_is_key && means.updates => {
                Step::Update(self.key.to_owned())
            }
            Operation::Delete if means.id_is_key => Step::Delete(self.key.to_owned()),
            // What attempted this very deletion has created nothing.
            Operation::Delete if self.doubt == Doubt::Same => self.without(),
            Operation::Upsert if means.repeats == Repeats::Always => Step::Create,
            Operation::Upsert
                if means.repeats == Repeats::SameContent && self.doubt == Doubt::Same =>
            {
                Step::Create
            }
            _ if means.repeats == Repeats::SameContent => Step::Await,
            _ => Step::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use pomost_store::KnownRecord;

    use super::*;

    /// No means at all: a flow that does nothing.
    const NOTHING: Means = Means {
        creates: false,
        updates: false,
        deletes: false,
        lookup: false,
        looks_first: false,
        id_is_key: false,
        repeats: Repeats::Never,
    };
    /// A flow that does everything and can find out nothing.
    const NONE: Means = Means {
        creates: true,
        updates: true,
        deletes: true,
        ..NOTHING
    };
    const LOOKUP: Means = Means {
        lookup: true,
        ..NONE
    };
    const IDEMPOTENT: Means = Means {
        repeats: Repeats::SameContent,
        ..NONE
    };
    const BY_KEY: Means = Means {
        id_is_key: true,
        ..NONE
    };
    const CREATES: Means = Means {
        creates: true,
        ..NOTHING
    };
    const UPDATES: Means = Means {
        updates: true,
        id_is_key: true,
        ..NOTHING
    };
    const DELETES: Means = Means {
        deletes: true,
        id_is_key: true,
        ..NOTHING
    };

    const OURS: ContentHash = [1; 16];

    fn known(id: Option<&str>) -> KnownRecord {
        KnownRecord {
            id: id.map(str::to_owned),
            ..KnownRecord::default()
        }
    }

    fn act(id: Option<&str>) -> ClaimResult {
        ClaimResult::Claimed(known(id))
    }

    /// In doubt after an attempt at this content.
    fn unknown(id: Option<&str>, attempted: u8) -> ClaimResult {
        ClaimResult::InDoubt {
            known: known(id),
            attempted: Some([attempted; 16]),
            still_in_flight: false,
        }
    }

    /// In doubt since a moment ago.
    fn under_way(attempted: u8) -> ClaimResult {
        ClaimResult::InDoubt {
            known: known(None),
            attempted: Some([attempted; 16]),
            still_in_flight: true,
        }
    }

    fn case(op: Operation, answer: &ClaimResult, means: Means) -> Case<'static> {
        let was_there = answer.known().is_some_and(|known| known.id.is_some());
        let under_way = is_under_way(answer);
        Case {
            key: "k",
            op,
            doubt: Doubt::of(answer, &OURS),
            under_way,
            was_there,
            means,
        }
    }

    fn first(op: Operation, answer: &ClaimResult, means: Means) -> Step {
        case(op, answer, means).first(answer)
    }

    fn after_gone(op: Operation, answer: &ClaimResult, means: Means) -> Step {
        case(op, answer, means).after_gone()
    }

    #[test]
    fn a_record_is_updated_where_its_id_is_known_and_created_otherwise() {
        assert_eq!(first(Operation::Upsert, &act(None), NONE), Step::Create);
        assert_eq!(
            first(Operation::Upsert, &act(Some("7")), NONE),
            Step::Update("7".into())
        );
        assert_eq!(
            first(Operation::Upsert, &unknown(Some("7"), 2), NONE),
            Step::Update("7".into())
        );
    }

    #[test]
    fn a_create_of_unknown_outcome_is_looked_up_or_repeated_only_where_that_is_safe() {
        assert_eq!(
            first(Operation::Upsert, &unknown(None, 1), LOOKUP),
            Step::LookUp
        );
        assert_eq!(
            first(Operation::Upsert, &unknown(None, 1), IDEMPOTENT),
            Step::Create
        );
        assert_eq!(
            first(Operation::Upsert, &unknown(None, 1), NONE),
            Step::Refuse
        );
    }

    #[test]
    fn a_create_of_unknown_outcome_is_not_repeated_with_other_content() {
        assert_eq!(
            first(Operation::Upsert, &unknown(None, 2), LOOKUP),
            Step::LookUp
        );
        assert_eq!(
            first(Operation::Upsert, &unknown(None, 2), IDEMPOTENT),
            Step::Await
        );
        let never_noted = ClaimResult::InDoubt {
            known: known(None),
            attempted: None,
            still_in_flight: false,
        };
        assert_eq!(
            first(Operation::Upsert, &never_noted, IDEMPOTENT),
            Step::Await
        );
    }

    #[test]
    fn a_delete_needs_something_to_delete() {
        assert_eq!(
            first(Operation::Delete, &act(Some("7")), NONE),
            Step::Delete("7".into())
        );
        assert_eq!(
            first(Operation::Delete, &act(None), NONE),
            Step::Leave(Outcome::Unchanged)
        );
        assert_eq!(
            first(Operation::Delete, &unknown(None, 1), NONE),
            Step::Leave(Outcome::Unchanged)
        );
        assert_eq!(
            first(Operation::Delete, &unknown(None, 2), LOOKUP),
            Step::LookUp
        );
        assert_eq!(
            first(Operation::Delete, &unknown(None, 2), IDEMPOTENT),
            Step::Await
        );
        assert_eq!(
            first(Operation::Delete, &unknown(None, 2), NONE),
            Step::Refuse
        );
    }

    #[test]
    fn what_is_gone_is_created_again_unless_that_may_have_happened() {
        assert_eq!(
            after_gone(Operation::Upsert, &act(Some("7")), NONE),
            Step::Create
        );
        assert_eq!(
            after_gone(Operation::Upsert, &act(Some("7")), LOOKUP),
            Step::LookUp
        );
        assert_eq!(
            after_gone(Operation::Upsert, &unknown(Some("7"), 1), LOOKUP),
            Step::LookUp
        );
        assert_eq!(
            after_gone(Operation::Upsert, &unknown(Some("7"), 1), IDEMPOTENT),
            Step::Create
        );
        assert_eq!(
            after_gone(Operation::Upsert, &unknown(Some("7"), 2), IDEMPOTENT),
            Step::Await
        );
        assert_eq!(
            after_gone(Operation::Upsert, &unknown(Some("7"), 1), NONE),
            Step::Refuse
        );
    }

    #[test]
    fn what_is_gone_was_deleted_unless_it_may_have_been_created_again() {
        assert_eq!(
            after_gone(Operation::Delete, &act(Some("7")), NONE),
            Step::Leave(Outcome::Deleted)
        );
        assert_eq!(
            after_gone(Operation::Delete, &unknown(Some("7"), 1), NONE),
            Step::Leave(Outcome::Deleted)
        );
        assert_eq!(
            after_gone(Operation::Delete, &unknown(Some("7"), 2), LOOKUP),
            Step::LookUp
        );
        assert_eq!(
            after_gone(Operation::Delete, &unknown(Some("7"), 2), IDEMPOTENT),
            Step::Await
        );
        assert_eq!(
            after_gone(Operation::Delete, &unknown(Some("7"), 2), NONE),
            Step::Refuse
        );
    }

    #[test]
    fn nothing_is_sent_for_what_the_ledger_has_settled_or_another_worker_holds() {
        assert_eq!(
            first(Operation::Upsert, &ClaimResult::Unchanged, LOOKUP),
            Step::Leave(Outcome::Unchanged)
        );
        assert_eq!(
            first(Operation::Delete, &ClaimResult::Stale, LOOKUP),
            Step::Leave(Outcome::Stale)
        );
        assert_eq!(
            first(Operation::Upsert, &ClaimResult::Dead, LOOKUP),
            Step::Leave(Outcome::Dead)
        );
        assert_eq!(
            first(Operation::Upsert, &ClaimResult::ClaimedElsewhere, LOOKUP),
            Step::Wait
        );
    }

    #[test]
    fn what_a_lookup_finds_decides_the_next_step() {
        let case = |op| case(op, &unknown(None, 1), LOOKUP);
        assert_eq!(
            case(Operation::Upsert).after_lookup(Some("7".into())),
            Step::Update("7".into())
        );
        assert_eq!(case(Operation::Upsert).after_lookup(None), Step::Create);
        assert_eq!(
            case(Operation::Delete).after_lookup(None),
            Step::Leave(Outcome::Unchanged)
        );
    }

    #[test]
    fn what_is_not_found_may_still_come_while_the_attempt_in_doubt_may_be_under_way() {
        for attempted in [1, 2] {
            let case = |op, means| case(op, &under_way(attempted), means);
            assert_eq!(
                case(Operation::Upsert, LOOKUP).after_lookup(None),
                Step::NotYet
            );
            assert_eq!(
                case(Operation::Upsert, LOOKUP).after_lookup(Some("7".into())),
                Step::Update("7".into())
            );
            assert_eq!(case(Operation::Upsert, BY_KEY).after_gone(), Step::NotYet);
            let replaces = Means {
                repeats: Repeats::Always,
                ..BY_KEY
            };
            assert_eq!(case(Operation::Upsert, replaces).after_gone(), Step::Create);
        }
        assert_eq!(
            case(Operation::Delete, &under_way(2), BY_KEY).after_gone(),
            Step::NotYet
        );
        let deleted_before = case(Operation::Delete, &under_way(1), BY_KEY).after_gone();
        assert_eq!(deleted_before, Step::Leave(Outcome::Unchanged));
    }

    #[test]
    fn a_deletion_that_finds_nothing_waits_while_other_content_may_have_been_created() {
        let case = |attempted| case(Operation::Delete, &unknown(None, attempted), LOOKUP);
        assert_eq!(case(2).after_lookup(None), Step::Await);
        assert_eq!(
            case(2).after_lookup(Some("7".into())),
            Step::Delete("7".into())
        );
        assert_eq!(case(1).after_lookup(None), Step::Leave(Outcome::Unchanged));
    }

    #[test]
    fn a_flow_leaves_alone_what_it_does_not_do() {
        let linked = act(Some("7"));
        assert_eq!(first(Operation::Upsert, &linked, CREATES), Step::LeaveAlone);
        assert_eq!(first(Operation::Upsert, &act(None), CREATES), Step::Create);
        assert_eq!(
            case(Operation::Upsert, &act(None), CREATES).after_conflict(),
            Some(Step::LeaveAlone)
        );
        assert_eq!(first(Operation::Upsert, &linked, DELETES), Step::LeaveAlone);
        assert_eq!(first(Operation::Delete, &linked, CREATES), Step::LeaveAlone);
        assert_eq!(
            first(Operation::Delete, &unknown(Some("7"), 2), UPDATES),
            Step::LeaveAlone
        );
    }

    #[test]
    fn a_flow_that_creates_nothing_looks_records_up_or_knows_them_by_their_keys() {
        let looking = |means| Means {
            lookup: true,
            id_is_key: false,
            ..means
        };
        for answer in [act(None), unknown(None, 1), unknown(None, 2)] {
            assert_eq!(
                first(Operation::Upsert, &answer, UPDATES),
                Step::Update("k".into())
            );
            assert_eq!(
                first(Operation::Upsert, &answer, looking(UPDATES)),
                Step::LookUp
            );
            assert_eq!(
                first(Operation::Delete, &answer, DELETES),
                Step::Delete("k".into())
            );
            assert_eq!(
                first(Operation::Delete, &answer, looking(DELETES)),
                Step::LookUp
            );
            assert_eq!(
                case(Operation::Upsert, &answer, looking(UPDATES)).after_lookup(None),
                Step::LeaveAlone
            );
            assert_eq!(
                after_gone(Operation::Upsert, &answer, UPDATES),
                Step::LeaveAlone
            );
        }
    }

    #[test]
    fn what_the_destination_may_have_had_before_is_looked_up_before_it_is_created() {
        let first_lookup = Means {
            looks_first: true,
            ..LOOKUP
        };
        assert_eq!(
            first(Operation::Upsert, &act(None), first_lookup),
            Step::LookUp
        );
        assert_eq!(first(Operation::Upsert, &act(None), LOOKUP), Step::Create);
        assert_eq!(
            first(Operation::Delete, &act(None), first_lookup),
            Step::Leave(Outcome::Unchanged)
        );
    }

    #[test]
    fn where_the_id_is_the_key_an_update_or_a_delete_tells_what_is_there() {
        assert_eq!(first(Operation::Upsert, &act(None), BY_KEY), Step::Create);
        for attempted in [1, 2] {
            let answer = unknown(None, attempted);
            assert_eq!(
                first(Operation::Upsert, &answer, BY_KEY),
                Step::Update("k".into())
            );
            assert_eq!(after_gone(Operation::Upsert, &answer, BY_KEY), Step::Create);
            assert_eq!(
                first(Operation::Delete, &answer, BY_KEY),
                Step::Delete("k".into())
            );
            assert_eq!(
                after_gone(Operation::Delete, &answer, BY_KEY),
                Step::Leave(Outcome::Unchanged)
            );
        }
        let exists = case(Operation::Upsert, &act(None), BY_KEY).after_conflict();
        assert_eq!(exists, Some(Step::Update("k".into())));
    }

    #[test]
    fn a_create_that_replaces_what_is_there_is_repeated_with_whatever_content() {
        let replaces = Means {
            repeats: Repeats::Always,
            id_is_key: true,
            ..CREATES
        };
        assert_eq!(
            first(Operation::Upsert, &unknown(None, 2), replaces),
            Step::Create
        );
    }

    #[test]
    fn what_an_earlier_attempt_created_is_adopted_by_a_flow_that_changes_nothing() {
        let creates = Means {
            lookup: true,
            ..CREATES
        };
        let found = |answer: &ClaimResult| {
            case(Operation::Upsert, answer, creates).after_lookup(Some("7".into()))
        };
        assert_eq!(found(&unknown(None, 1)), Step::Adopt("7".into()));
        assert_eq!(found(&unknown(None, 2)), Step::LeaveAlone);
        assert_eq!(found(&act(None)), Step::LeaveAlone);
    }

    #[test]
    fn what_exists_is_found_or_stays_a_conflict() {
        let after = |means| case(Operation::Upsert, &act(None), means).after_conflict();
        assert_eq!(after(LOOKUP), Some(Step::LookUp));
        assert_eq!(after(NONE), None);
    }

    #[test]
    fn what_is_in_the_way_of_a_create_in_doubt_may_be_the_earlier_attempt() {
        let creates = Means {
            repeats: Repeats::SameContent,
            ..CREATES
        };
        assert_eq!(
            case(Operation::Upsert, &act(None), creates).after_conflict(),
            Some(Step::LeaveAlone)
        );
        assert_eq!(
            case(Operation::Upsert, &unknown(None, 1), creates).after_conflict(),
            None
        );
        assert_eq!(
            case(Operation::Upsert, &unknown(None, 1), IDEMPOTENT).after_conflict(),
            None
        );
    }
}
