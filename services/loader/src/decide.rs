//! What to do with a record: a pure function of the operation, the ledger's answer and what the
//! flow can find out.

use pomost_models::{Op, Outcome};
use pomost_store::Answer;

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
    /// Give it up: whether the destination has it is not known, and nothing can tell.
    Refuse,
}

/// What a flow has for finding out whether a create took place.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// It can look the record up.
    pub lookup: bool,
    /// The destination ignores a repeated create.
    pub idempotent: bool,
}

/// The first step for a record.
pub fn decide(op: Op, answer: &Answer, means: Means) -> Step {
    match (answer, op) {
        (Answer::Unchanged, _) => Step::Leave(Outcome::Unchanged),
        (Answer::Stale, _) => Step::Leave(Outcome::Stale),
        (Answer::Busy, _) => Step::Wait,
        (Answer::Act { id: Some(id) } | Answer::Unknown { id: Some(id) }, op) => with(op, id.clone()),
        (Answer::Act { id: None }, op) => without(op),
        (Answer::Unknown { id: None }, _) if means.lookup => Step::LookUp,
        (Answer::Unknown { id: None }, Op::Upsert) if means.idempotent => Step::Create,
        (Answer::Unknown { id: None }, _) => Step::Refuse,
    }
}

/// The step after a look-up.
pub fn after_lookup(op: Op, found: Option<String>) -> Step {
    match found {
        Some(id) => with(op, id),
        None => without(op),
    }
}

fn with(op: Op, id: String) -> Step {
    match op {
        Op::Upsert => Step::Update(id),
        Op::Delete => Step::Delete(id),
    }
}

/// What the destination never had needs no deleting.
fn without(op: Op) -> Step {
    match op {
        Op::Upsert => Step::Create,
        Op::Delete => Step::Leave(Outcome::Unchanged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Means = Means { lookup: false, idempotent: false };
    const LOOKUP: Means = Means { lookup: true, idempotent: false };
    const IDEMPOTENT: Means = Means { lookup: false, idempotent: true };

    fn act(id: Option<&str>) -> Answer {
        Answer::Act { id: id.map(str::to_owned) }
    }

    fn unknown(id: Option<&str>) -> Answer {
        Answer::Unknown { id: id.map(str::to_owned) }
    }

    #[test]
    fn a_record_is_updated_where_its_id_is_known_and_created_otherwise() {
        assert_eq!(decide(Op::Upsert, &act(None), NONE), Step::Create);
        assert_eq!(decide(Op::Upsert, &act(Some("7")), NONE), Step::Update("7".into()));
        assert_eq!(decide(Op::Upsert, &unknown(Some("7")), NONE), Step::Update("7".into()));
    }

    #[test]
    fn a_create_of_unknown_outcome_is_looked_up_or_repeated_only_where_that_is_safe() {
        assert_eq!(decide(Op::Upsert, &unknown(None), LOOKUP), Step::LookUp);
        assert_eq!(decide(Op::Upsert, &unknown(None), IDEMPOTENT), Step::Create);
        assert_eq!(decide(Op::Upsert, &unknown(None), NONE), Step::Refuse);
    }

    #[test]
    fn a_delete_needs_something_to_delete() {
        assert_eq!(decide(Op::Delete, &act(Some("7")), NONE), Step::Delete("7".into()));
        assert_eq!(decide(Op::Delete, &act(None), NONE), Step::Leave(Outcome::Unchanged));
        assert_eq!(decide(Op::Delete, &unknown(None), LOOKUP), Step::LookUp);
        assert_eq!(decide(Op::Delete, &unknown(None), IDEMPOTENT), Step::Refuse);
    }

    #[test]
    fn nothing_is_sent_for_what_the_ledger_has_settled_or_another_worker_holds() {
        assert_eq!(decide(Op::Upsert, &Answer::Unchanged, LOOKUP), Step::Leave(Outcome::Unchanged));
        assert_eq!(decide(Op::Delete, &Answer::Stale, LOOKUP), Step::Leave(Outcome::Stale));
        assert_eq!(decide(Op::Upsert, &Answer::Busy, LOOKUP), Step::Wait);
    }

    #[test]
    fn what_a_lookup_finds_decides_the_next_step() {
        assert_eq!(after_lookup(Op::Upsert, Some("7".into())), Step::Update("7".into()));
        assert_eq!(after_lookup(Op::Upsert, None), Step::Create);
        assert_eq!(after_lookup(Op::Delete, None), Step::Leave(Outcome::Unchanged));
    }
}
