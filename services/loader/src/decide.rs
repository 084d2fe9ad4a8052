//! What to do with a record: a pure function of the operation, the ledger's answer and what the
//! flow can find out.

use pomost_models::{Op, Outcome};
use pomost_store::{Answer, ledger::ContentHash};

/// What to do with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing; it settles so.
    Leave(Outcome),
    /// Nothing now: another worker is at it.
    Wait,
    /// Create it.
    Create,
    /// Update the record of this id.
    Update(String),
    /// Delete the record of this id.
    Delete(String),
    /// Ask the destination whether it has the record.
    LookUp,
    /// Nothing for a while: other content may have been created, and only whoever brings that again
    /// can find out, by repeating the create.
    Await,
    /// Give it up: whether the destination has it is not known, and nothing can tell.
    Refuse,
}

/// What a flow has for finding out whether a create took place.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// It can look the record up.
    pub lookup: bool,
    /// The destination ignores a create that is repeated with the same content.
    pub idempotent: bool,
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
    pub fn of(answer: &Answer, hash: &ContentHash) -> Doubt {
        match answer {
            Answer::Unknown { attempted, .. } if attempted.as_ref() == Some(hash) => Doubt::Same,
            Answer::Unknown { .. } => Doubt::Other,
            _ => Doubt::None,
        }
    }
}

/// What a record's steps are decided on.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What is to happen to it.
    pub op: Op,
    /// What may have happened to it.
    pub doubt: Doubt,
    /// Whether the destination had it, as far as is known.
    pub was_there: bool,
    /// How more can be found out.
    pub means: Means,
}

impl Case {
    /// The case of whoever brings this content and gets this answer from the ledger.
    pub fn new(op: Op, hash: &ContentHash, answer: &Answer, means: Means) -> Case {
        let was_there = answer.known().is_some_and(|known| known.id.is_some());
        Case { op, doubt: Doubt::of(answer, hash), was_there, means }
    }

    /// The first step.
    pub fn first(self, answer: &Answer) -> Step {
        let known = match answer {
            Answer::Unchanged => return Step::Leave(Outcome::Unchanged),
            Answer::Stale => return Step::Leave(Outcome::Stale),
            Answer::Busy => return Step::Wait,
            Answer::Act(known) | Answer::Unknown { known, .. } => known,
        };
        match &known.id {
            Some(id) => self.with(id.clone()),
            None if self.doubt == Doubt::None => self.without(),
            None => self.in_doubt(),
        }
    }

    /// The step after a look-up.
    pub fn after_lookup(self, found: Option<String>) -> Step {
        match found {
            Some(id) => self.with(id),
            None => self.without(),
        }
    }

    /// The step after the destination said that it does not have the record of that id: it was
    /// deleted there, or an earlier attempt found that as well and may have made another.
    pub fn after_gone(self) -> Step {
        match self.doubt {
            Doubt::None if self.op == Op::Delete || !self.means.lookup => self.without(),
            _ => self.in_doubt(),
        }
    }

    fn with(self, id: String) -> Step {
        match self.op {
            Op::Upsert => Step::Update(id),
            Op::Delete => Step::Delete(id),
        }
    }

    /// What the destination does not have needs no deleting.
    fn without(self) -> Step {
        match self.op {
            Op::Upsert => Step::Create,
            Op::Delete if self.was_there => Step::Leave(Outcome::Deleted),
            Op::Delete => Step::Leave(Outcome::Unchanged),
        }
    }

    /// An earlier attempt may have created the record.
    fn in_doubt(self) -> Step {
        match (self.means, self.doubt) {
            (Means { lookup: true, .. }, _) => Step::LookUp,
            // What attempted this very deletion has created nothing.
            (_, Doubt::Same) if self.op == Op::Delete => self.without(),
            (Means { idempotent: true, .. }, Doubt::Same) => Step::Create,
            (Means { idempotent: true, .. }, _) => Step::Await,
            _ => Step::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use pomost_store::Known;

    use super::*;

    const NONE: Means = Means { lookup: false, idempotent: false };
    const LOOKUP: Means = Means { lookup: true, idempotent: false };
    const IDEMPOTENT: Means = Means { lookup: false, idempotent: true };

    const OURS: ContentHash = [1; 16];

    fn known(id: Option<&str>) -> Known {
        Known { id: id.map(str::to_owned), ..Known::default() }
    }

    fn act(id: Option<&str>) -> Answer {
        Answer::Act(known(id))
    }

    /// In doubt after an attempt at this content.
    fn unknown(id: Option<&str>, attempted: u8) -> Answer {
        Answer::Unknown { known: known(id), attempted: Some([attempted; 16]) }
    }

    fn case(op: Op, answer: &Answer, means: Means) -> Case {
        Case::new(op, &OURS, answer, means)
    }

    fn first(op: Op, answer: &Answer, means: Means) -> Step {
        case(op, answer, means).first(answer)
    }

    fn after_gone(op: Op, answer: &Answer, means: Means) -> Step {
        case(op, answer, means).after_gone()
    }

    #[test]
    fn a_record_is_updated_where_its_id_is_known_and_created_otherwise() {
        assert_eq!(first(Op::Upsert, &act(None), NONE), Step::Create);
        assert_eq!(first(Op::Upsert, &act(Some("7")), NONE), Step::Update("7".into()));
        assert_eq!(first(Op::Upsert, &unknown(Some("7"), 2), NONE), Step::Update("7".into()));
    }

    #[test]
    fn a_create_of_unknown_outcome_is_looked_up_or_repeated_only_where_that_is_safe() {
        assert_eq!(first(Op::Upsert, &unknown(None, 1), LOOKUP), Step::LookUp);
        assert_eq!(first(Op::Upsert, &unknown(None, 1), IDEMPOTENT), Step::Create);
        assert_eq!(first(Op::Upsert, &unknown(None, 1), NONE), Step::Refuse);
    }

    #[test]
    fn a_create_of_unknown_outcome_is_not_repeated_with_other_content() {
        assert_eq!(first(Op::Upsert, &unknown(None, 2), LOOKUP), Step::LookUp);
        assert_eq!(first(Op::Upsert, &unknown(None, 2), IDEMPOTENT), Step::Await);
        let never_noted = Answer::Unknown { known: known(None), attempted: None };
        assert_eq!(first(Op::Upsert, &never_noted, IDEMPOTENT), Step::Await);
    }

    #[test]
    fn a_delete_needs_something_to_delete() {
        assert_eq!(first(Op::Delete, &act(Some("7")), NONE), Step::Delete("7".into()));
        assert_eq!(first(Op::Delete, &act(None), NONE), Step::Leave(Outcome::Unchanged));
        assert_eq!(first(Op::Delete, &unknown(None, 1), NONE), Step::Leave(Outcome::Unchanged));
        assert_eq!(first(Op::Delete, &unknown(None, 2), LOOKUP), Step::LookUp);
        assert_eq!(first(Op::Delete, &unknown(None, 2), IDEMPOTENT), Step::Await);
        assert_eq!(first(Op::Delete, &unknown(None, 2), NONE), Step::Refuse);
    }

    #[test]
    fn what_is_gone_is_created_again_unless_that_may_have_happened() {
        assert_eq!(after_gone(Op::Upsert, &act(Some("7")), NONE), Step::Create);
        assert_eq!(after_gone(Op::Upsert, &act(Some("7")), LOOKUP), Step::LookUp);
        assert_eq!(after_gone(Op::Upsert, &unknown(Some("7"), 1), LOOKUP), Step::LookUp);
        assert_eq!(after_gone(Op::Upsert, &unknown(Some("7"), 1), IDEMPOTENT), Step::Create);
        assert_eq!(after_gone(Op::Upsert, &unknown(Some("7"), 2), IDEMPOTENT), Step::Await);
        assert_eq!(after_gone(Op::Upsert, &unknown(Some("7"), 1), NONE), Step::Refuse);
    }

    #[test]
    fn what_is_gone_was_deleted_unless_it_may_have_been_created_again() {
        assert_eq!(after_gone(Op::Delete, &act(Some("7")), NONE), Step::Leave(Outcome::Deleted));
        assert_eq!(after_gone(Op::Delete, &unknown(Some("7"), 1), NONE), Step::Leave(Outcome::Deleted));
        assert_eq!(after_gone(Op::Delete, &unknown(Some("7"), 2), LOOKUP), Step::LookUp);
        assert_eq!(after_gone(Op::Delete, &unknown(Some("7"), 2), IDEMPOTENT), Step::Await);
        assert_eq!(after_gone(Op::Delete, &unknown(Some("7"), 2), NONE), Step::Refuse);
    }

    #[test]
    fn nothing_is_sent_for_what_the_ledger_has_settled_or_another_worker_holds() {
        assert_eq!(first(Op::Upsert, &Answer::Unchanged, LOOKUP), Step::Leave(Outcome::Unchanged));
        assert_eq!(first(Op::Delete, &Answer::Stale, LOOKUP), Step::Leave(Outcome::Stale));
        assert_eq!(first(Op::Upsert, &Answer::Busy, LOOKUP), Step::Wait);
    }

    #[test]
    fn what_a_lookup_finds_decides_the_next_step() {
        let case = |op| case(op, &unknown(None, 1), LOOKUP);
        assert_eq!(case(Op::Upsert).after_lookup(Some("7".into())), Step::Update("7".into()));
        assert_eq!(case(Op::Upsert).after_lookup(None), Step::Create);
        assert_eq!(case(Op::Delete).after_lookup(None), Step::Leave(Outcome::Unchanged));
    }
}
