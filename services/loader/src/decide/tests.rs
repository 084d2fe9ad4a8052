//! The decisions in all kinds of situations.

use pomost_store::KnownRecord;

use super::*;

/// No capabilities at all: a flow that does nothing.
const NOTHING: Capabilities = Capabilities {
    creates: false,
    updates: false,
    deletes: false,
    looks_up: false,
    looks_up_first: false,
    id_is_key: false,
    create_idempotency: CreateIdempotency::Never,
};
/// A flow that does everything and can find out nothing about earlier attempts.
const BLIND: Capabilities = Capabilities {
    creates: true,
    updates: true,
    deletes: true,
    ..NOTHING
};
const LOOKUP: Capabilities = Capabilities {
    looks_up: true,
    ..BLIND
};
const IDEMPOTENT: Capabilities = Capabilities {
    create_idempotency: CreateIdempotency::SameContent,
    ..BLIND
};
const BY_KEY: Capabilities = Capabilities {
    id_is_key: true,
    ..BLIND
};
const CREATES: Capabilities = Capabilities {
    creates: true,
    ..NOTHING
};
const UPDATES: Capabilities = Capabilities {
    updates: true,
    id_is_key: true,
    ..NOTHING
};
const DELETES: Capabilities = Capabilities {
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

fn claimed(id: Option<&str>) -> ClaimResult {
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

/// In doubt since a moment ago: the request may still take effect.
fn in_flight(attempted: u8) -> ClaimResult {
    ClaimResult::InDoubt {
        known: known(None),
        attempted: Some([attempted; 16]),
        still_in_flight: true,
    }
}

fn case(op: Operation, result: &ClaimResult, capabilities: Capabilities) -> Situation<'static> {
    let was_there = result.known().is_some_and(|known| known.id.is_some());
    let still_in_flight = is_still_in_flight(result);
    Situation {
        key: "k",
        operation: op,
        in_doubt: InDoubt::of(result, &OURS),
        still_in_flight,
        is_conditional: false,
        was_there,
        capabilities,
    }
}

fn first(op: Operation, result: &ClaimResult, capabilities: Capabilities) -> Decision {
    case(op, result, capabilities).first(result)
}

fn after_gone(op: Operation, result: &ClaimResult, capabilities: Capabilities) -> Decision {
    case(op, result, capabilities).after_gone()
}

#[test]
fn a_record_is_updated_where_its_id_is_known_and_created_otherwise() {
    assert_eq!(
        first(Operation::Upsert, &claimed(None), BLIND),
        Decision::Create
    );
    assert_eq!(
        first(Operation::Upsert, &claimed(Some("7")), BLIND),
        Decision::Update("7".into())
    );
    assert_eq!(
        first(Operation::Upsert, &unknown(Some("7"), 2), BLIND),
        Decision::Update("7".into())
    );
}

#[test]
fn a_create_of_unknown_outcome_is_looked_up_or_repeated_only_where_that_is_safe() {
    assert_eq!(
        first(Operation::Upsert, &unknown(None, 1), LOOKUP),
        Decision::LookUp
    );
    assert_eq!(
        first(Operation::Upsert, &unknown(None, 1), IDEMPOTENT),
        Decision::Create
    );
    assert_eq!(
        first(Operation::Upsert, &unknown(None, 1), BLIND),
        Decision::GiveUpInDoubt
    );
}

#[test]
fn a_create_of_unknown_outcome_is_not_repeated_with_other_content() {
    assert_eq!(
        first(Operation::Upsert, &unknown(None, 2), LOOKUP),
        Decision::LookUp
    );
    assert_eq!(
        first(Operation::Upsert, &unknown(None, 2), IDEMPOTENT),
        Decision::RetryLater(RetryReason::InDoubt)
    );
    let never_noted = ClaimResult::InDoubt {
        known: known(None),
        attempted: None,
        still_in_flight: false,
    };
    assert_eq!(
        first(Operation::Upsert, &never_noted, IDEMPOTENT),
        Decision::RetryLater(RetryReason::InDoubt)
    );
}

#[test]
fn a_delete_needs_something_to_delete() {
    assert_eq!(
        first(Operation::Delete, &claimed(Some("7")), BLIND),
        Decision::Delete("7".into())
    );
    assert_eq!(
        first(Operation::Delete, &claimed(None), BLIND),
        Decision::Settle(Outcome::Unchanged)
    );
    assert_eq!(
        first(Operation::Delete, &unknown(None, 1), BLIND),
        Decision::Settle(Outcome::Unchanged)
    );
    assert_eq!(
        first(Operation::Delete, &unknown(None, 2), LOOKUP),
        Decision::LookUp
    );
    assert_eq!(
        first(Operation::Delete, &unknown(None, 2), IDEMPOTENT),
        Decision::RetryLater(RetryReason::InDoubt)
    );
    assert_eq!(
        first(Operation::Delete, &unknown(None, 2), BLIND),
        Decision::GiveUpInDoubt
    );
}

#[test]
fn what_is_gone_is_created_again_unless_that_may_have_happened() {
    assert_eq!(
        after_gone(Operation::Upsert, &claimed(Some("7")), BLIND),
        Decision::Create
    );
    assert_eq!(
        after_gone(Operation::Upsert, &claimed(Some("7")), LOOKUP),
        Decision::LookUp
    );
    assert_eq!(
        after_gone(Operation::Upsert, &unknown(Some("7"), 1), LOOKUP),
        Decision::LookUp
    );
    assert_eq!(
        after_gone(Operation::Upsert, &unknown(Some("7"), 1), IDEMPOTENT),
        Decision::Create
    );
    assert_eq!(
        after_gone(Operation::Upsert, &unknown(Some("7"), 2), IDEMPOTENT),
        Decision::RetryLater(RetryReason::InDoubt)
    );
    assert_eq!(
        after_gone(Operation::Upsert, &unknown(Some("7"), 1), BLIND),
        Decision::GiveUpInDoubt
    );
}

#[test]
fn what_is_gone_was_deleted_unless_it_may_have_been_created_again() {
    assert_eq!(
        after_gone(Operation::Delete, &claimed(Some("7")), BLIND),
        Decision::Settle(Outcome::Deleted)
    );
    assert_eq!(
        after_gone(Operation::Delete, &unknown(Some("7"), 1), BLIND),
        Decision::Settle(Outcome::Deleted)
    );
    assert_eq!(
        after_gone(Operation::Delete, &unknown(Some("7"), 2), LOOKUP),
        Decision::LookUp
    );
    assert_eq!(
        after_gone(Operation::Delete, &unknown(Some("7"), 2), IDEMPOTENT),
        Decision::RetryLater(RetryReason::InDoubt)
    );
    assert_eq!(
        after_gone(Operation::Delete, &unknown(Some("7"), 2), BLIND),
        Decision::GiveUpInDoubt
    );
}

#[test]
fn nothing_is_sent_for_what_the_ledger_has_settled_or_another_worker_holds() {
    assert_eq!(
        first(Operation::Upsert, &ClaimResult::Unchanged, LOOKUP),
        Decision::Settle(Outcome::Unchanged)
    );
    assert_eq!(
        first(Operation::Delete, &ClaimResult::Stale, LOOKUP),
        Decision::Settle(Outcome::Stale)
    );
    assert_eq!(
        first(Operation::Upsert, &ClaimResult::Dead, LOOKUP),
        Decision::Settle(Outcome::Dead)
    );
    assert_eq!(
        first(Operation::Upsert, &ClaimResult::ClaimedElsewhere, LOOKUP),
        Decision::RetryLater(RetryReason::ClaimedElsewhere)
    );
}

#[test]
fn what_a_lookup_finds_decides_the_next_step() {
    let case = |op| case(op, &unknown(None, 1), LOOKUP);
    assert_eq!(
        case(Operation::Upsert).after_lookup(Some("7".into())),
        Decision::Update("7".into())
    );
    assert_eq!(case(Operation::Upsert).after_lookup(None), Decision::Create);
    assert_eq!(
        case(Operation::Delete).after_lookup(None),
        Decision::Settle(Outcome::Unchanged)
    );
}

#[test]
fn what_is_not_found_may_still_come_while_the_attempt_in_doubt_may_be_in_flight() {
    for attempted in [1, 2] {
        let case = |op, capabilities| case(op, &in_flight(attempted), capabilities);
        assert_eq!(
            case(Operation::Upsert, LOOKUP).after_lookup(None),
            Decision::RetryLater(RetryReason::StillInFlight)
        );
        assert_eq!(
            case(Operation::Upsert, LOOKUP).after_lookup(Some("7".into())),
            Decision::Update("7".into())
        );
        assert_eq!(
            case(Operation::Upsert, BY_KEY).after_gone(),
            Decision::RetryLater(RetryReason::StillInFlight)
        );
        let replaces = Capabilities {
            create_idempotency: CreateIdempotency::AnyContent,
            ..BY_KEY
        };
        assert_eq!(
            case(Operation::Upsert, replaces).after_gone(),
            Decision::Create
        );
    }
    assert_eq!(
        case(Operation::Delete, &in_flight(2), BY_KEY).after_gone(),
        Decision::RetryLater(RetryReason::StillInFlight)
    );
    let deleted_before = case(Operation::Delete, &in_flight(1), BY_KEY).after_gone();
    assert_eq!(deleted_before, Decision::Settle(Outcome::Unchanged));
}

#[test]
fn a_deletion_that_finds_nothing_waits_while_other_content_may_have_been_created() {
    let case = |attempted| case(Operation::Delete, &unknown(None, attempted), LOOKUP);
    assert_eq!(
        case(2).after_lookup(None),
        Decision::RetryLater(RetryReason::InDoubt)
    );
    assert_eq!(
        case(2).after_lookup(Some("7".into())),
        Decision::Delete("7".into())
    );
    assert_eq!(
        case(1).after_lookup(None),
        Decision::Settle(Outcome::Unchanged)
    );
}

#[test]
fn a_flow_leaves_alone_what_it_does_not_do() {
    let linked = claimed(Some("7"));
    assert_eq!(first(Operation::Upsert, &linked, CREATES), Decision::Skip);
    assert_eq!(
        first(Operation::Upsert, &claimed(None), CREATES),
        Decision::Create
    );
    assert_eq!(
        case(Operation::Upsert, &claimed(None), CREATES).after_conflict(),
        Some(Decision::Skip)
    );
    assert_eq!(first(Operation::Upsert, &linked, DELETES), Decision::Skip);
    assert_eq!(first(Operation::Delete, &linked, CREATES), Decision::Skip);
    assert_eq!(
        first(Operation::Delete, &unknown(Some("7"), 2), UPDATES),
        Decision::Skip
    );
}

#[test]
fn a_flow_that_creates_nothing_looks_records_up_or_knows_them_by_their_keys() {
    let looking = |capabilities| Capabilities {
        looks_up: true,
        id_is_key: false,
        ..capabilities
    };
    for result in [claimed(None), unknown(None, 1), unknown(None, 2)] {
        assert_eq!(
            first(Operation::Upsert, &result, UPDATES),
            Decision::Update("k".into())
        );
        assert_eq!(
            first(Operation::Upsert, &result, looking(UPDATES)),
            Decision::LookUp
        );
        assert_eq!(
            first(Operation::Delete, &result, DELETES),
            Decision::Delete("k".into())
        );
        assert_eq!(
            first(Operation::Delete, &result, looking(DELETES)),
            Decision::LookUp
        );
        assert_eq!(
            case(Operation::Upsert, &result, looking(UPDATES)).after_lookup(None),
            Decision::Skip
        );
        assert_eq!(
            after_gone(Operation::Upsert, &result, UPDATES),
            Decision::Skip
        );
    }
}

#[test]
fn what_the_destination_may_have_had_before_is_looked_up_before_it_is_created() {
    let first_lookup = Capabilities {
        looks_up_first: true,
        ..LOOKUP
    };
    assert_eq!(
        first(Operation::Upsert, &claimed(None), first_lookup),
        Decision::LookUp
    );
    assert_eq!(
        first(Operation::Upsert, &claimed(None), LOOKUP),
        Decision::Create
    );
    assert_eq!(
        first(Operation::Delete, &claimed(None), first_lookup),
        Decision::Settle(Outcome::Unchanged)
    );
}

#[test]
fn where_the_id_is_the_key_an_update_or_a_delete_tells_what_is_there() {
    assert_eq!(
        first(Operation::Upsert, &claimed(None), BY_KEY),
        Decision::Create
    );
    for attempted in [1, 2] {
        let result = unknown(None, attempted);
        assert_eq!(
            first(Operation::Upsert, &result, BY_KEY),
            Decision::Update("k".into())
        );
        assert_eq!(
            after_gone(Operation::Upsert, &result, BY_KEY),
            Decision::Create
        );
        assert_eq!(
            first(Operation::Delete, &result, BY_KEY),
            Decision::Delete("k".into())
        );
        assert_eq!(
            after_gone(Operation::Delete, &result, BY_KEY),
            Decision::Settle(Outcome::Unchanged)
        );
    }
    let exists = case(Operation::Upsert, &claimed(None), BY_KEY).after_conflict();
    assert_eq!(exists, Some(Decision::Update("k".into())));
}

#[test]
fn a_create_that_replaces_what_is_there_is_repeated_with_whatever_content() {
    let replaces = Capabilities {
        create_idempotency: CreateIdempotency::AnyContent,
        id_is_key: true,
        ..CREATES
    };
    assert_eq!(
        first(Operation::Upsert, &unknown(None, 2), replaces),
        Decision::Create
    );
}

#[test]
fn what_an_earlier_attempt_created_is_adopted_by_a_flow_that_changes_nothing() {
    let creates = Capabilities {
        looks_up: true,
        ..CREATES
    };
    let found = |result: &ClaimResult| {
        case(Operation::Upsert, result, creates).after_lookup(Some("7".into()))
    };
    assert_eq!(found(&unknown(None, 1)), Decision::Adopt("7".into()));
    assert_eq!(found(&unknown(None, 2)), Decision::Skip);
    assert_eq!(found(&claimed(None)), Decision::Skip);
}

#[test]
fn what_exists_is_found_or_stays_a_conflict() {
    let after =
        |capabilities| case(Operation::Upsert, &claimed(None), capabilities).after_conflict();
    assert_eq!(after(LOOKUP), Some(Decision::LookUp));
    assert_eq!(after(BLIND), None);
}

#[test]
fn what_is_in_the_way_of_a_create_in_doubt_may_be_the_earlier_attempt() {
    let creates = Capabilities {
        create_idempotency: CreateIdempotency::SameContent,
        ..CREATES
    };
    assert_eq!(
        case(Operation::Upsert, &claimed(None), creates).after_conflict(),
        Some(Decision::Skip)
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

#[test]
fn a_change_waits_until_the_request_in_doubt_before_it_can_have_ended() {
    let waits = Decision::RetryLater(RetryReason::StillInFlight);
    for attempted in [1, 2] {
        let in_flight = ClaimResult::InDoubt {
            known: known(Some("7")),
            attempted: Some([attempted; 16]),
            still_in_flight: true,
        };
        for operation in [Operation::Upsert, Operation::Delete] {
            assert_eq!(first(operation, &in_flight, BLIND), waits);
            let conditional = Situation {
                is_conditional: true,
                ..case(operation, &in_flight, BLIND)
            };
            assert_ne!(conditional.first(&in_flight), waits);
        }
    }
    let ended = unknown(Some("7"), 2);
    assert_eq!(
        first(Operation::Upsert, &ended, BLIND),
        Decision::Update("7".into())
    );
}

#[test]
fn a_change_by_key_or_after_a_lookup_waits_for_an_earlier_one_as_well() {
    let waits = Decision::RetryLater(RetryReason::StillInFlight);
    let replaces = Capabilities {
        create_idempotency: CreateIdempotency::AnyContent,
        id_is_key: true,
        ..CREATES
    };
    for capabilities in [BY_KEY, UPDATES, replaces] {
        assert_eq!(first(Operation::Upsert, &in_flight(2), capabilities), waits);
    }
    let looks_up = Capabilities {
        looks_up: true,
        id_is_key: false,
        ..UPDATES
    };
    let after_lookup = case(Operation::Upsert, &in_flight(2), looks_up);
    assert_eq!(after_lookup.after_lookup(Some("7".into())), waits);
    assert_eq!(
        first(Operation::Upsert, &in_flight(1), IDEMPOTENT),
        Decision::Create,
        "the destination ignores the repetition, whenever the first one takes effect"
    );
}
