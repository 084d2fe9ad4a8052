//! Retries, and records beside newer ones.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pomost_http::FailureClass;
use pomost_models::{Lane, Operation, RunId, Version};
use pomost_project::{Project, environment::Environment};
use pomost_store::{ClaimResult, KnownRecord};
use serde_json::value::RawValue;

use super::*;
use crate::{claims::claim_entry, destinations::without_effect};

fn flow() -> std::sync::Arc<Flow> {
    let directory = tempfile::tempdir().unwrap();
    pomost_project::init(directory.path()).unwrap();
    let project =
        Project::load(directory.path(), &Environment::of_process(directory.path())).unwrap();
    project.flows["customers"].clone()
}

fn batch(attempt: u32, waits: u32) -> Batch {
    let (flow, run) = ("customers".to_owned(), RunId::generate());
    Batch {
        flow,
        run,
        id: "1".into(),
        size: 1,
        attempt,
        waits,
        lane: Lane::Live,
        records: Vec::new(),
    }
}

fn record(slot: u32) -> Record {
    Record {
        slot,
        key: "a".to_owned(),
        version: Version::new("1"),
        op: Operation::Upsert,
        data: RawValue::from_string("{}".to_owned()).unwrap(),
        source: None,
    }
}

/// Returns the delay and the batch with which a record of this batch is retried after such a
/// failure.
fn retry_after_failure(
    batch: Batch,
    class: FailureClass,
    retry_after: Option<Duration>,
) -> Option<(u32, Batch)> {
    let flow = flow();
    let settlement = settlement(&flow, &batch, AttemptCharging::EveryFailure);
    retry_of(settlement, failure(class, retry_after))
}

fn settlement<'a>(flow: &'a Flow, batch: &'a Batch, charging: AttemptCharging) -> Settlement<'a> {
    Settlement::new(flow, batch, ClaimToken::generate(), charging)
}

fn claimed(record: Record) -> ClaimedRecord {
    let entry = claim_entry(&record, None);
    let result = ClaimResult::Claimed(KnownRecord::default());
    ClaimedRecord::new(record, entry, result)
}

fn failure(class: FailureClass, retry_after: Option<Duration>) -> Failure {
    Failure {
        retry_after,
        ..Failure::new(class, "it failed".to_owned())
    }
}

fn retry_of(mut settlement: Settlement<'_>, failure: Failure) -> Option<(u32, Batch)> {
    settlement.add(
        claimed(record(0)),
        RecordEnding::Failed(without_effect(failure)),
    );
    settlement
        .retry_batches()
        .pop()
        .map(|(route, batch)| (route.delay.unwrap(), batch))
}

#[test]
fn the_delay_grows_with_each_attempt_until_none_is_left() {
    let after = |attempt| retry_after_failure(batch(attempt, 0), FailureClass::Transient, None);
    let delays: Vec<_> = (0..8)
        .map_while(after)
        .map(|(delay, batch)| (batch.attempt, delay))
        .collect();
    assert_eq!(
        delays,
        [
            (1, 1),
            (2, 5),
            (3, 30),
            (4, 120),
            (5, 600),
            (6, 3600),
            (7, 3600)
        ]
    );
}

#[test]
fn waiting_for_the_system_costs_no_attempt_and_never_ends() {
    let after =
        |waits| retry_after_failure(batch(7, waits), FailureClass::Throttled, None).unwrap();
    let delays: Vec<_> = [0, 1, 2, 3, 1000]
        .map(after)
        .map(|(delay, batch)| (batch.attempt, batch.waits, delay))
        .into();
    assert_eq!(
        delays,
        [(7, 1, 1), (7, 2, 5), (7, 3, 30), (7, 4, 30), (7, 1001, 30)]
    );
}

#[test]
fn while_the_system_is_down_what_may_pass_costs_no_attempt_and_what_is_invalid_is_dead_all_the_same()
 {
    let (flow, batch) = (flow(), batch(7, 1));
    let after = |class| {
        let settlement = settlement(&flow, &batch, AttemptCharging::NoFailure);
        retry_of(settlement, failure(class, None))
            .map(|(delay, batch)| (batch.attempt, batch.waits, delay))
    };
    assert_eq!(after(FailureClass::Transient), Some((7, 2, 5)));
    assert_eq!(after(FailureClass::Invalid), None);
}

#[test]
fn when_the_system_goes_down_meanwhile_only_its_first_failure_costs_an_attempt() {
    let (flow, batch) = (flow(), batch(1, 1));
    let after = |is_first| {
        let settlement = settlement(&flow, &batch, AttemptCharging::FirstFailure);
        let failure = Failure {
            is_first,
            ..failure(FailureClass::Transient, None)
        };
        let (_, batch) = retry_of(settlement, failure).unwrap();
        (batch.attempt, batch.waits)
    };
    assert_eq!([true, false].map(after), [(2, 1), (1, 2)]);
}

#[test]
fn the_system_is_left_alone_for_as_long_as_it_asked() {
    for (class, asked) in [
        (FailureClass::Transient, 100),
        (FailureClass::Throttled, 50),
    ] {
        let (delay, _) =
            retry_after_failure(batch(0, 0), class, Some(Duration::from_secs(asked.into())))
                .unwrap();
        assert_eq!(delay, asked);
    }
}

#[test]
fn a_record_of_a_system_that_is_held_comes_again_each_minute_since_the_hold_may_be_released() {
    let delay = |class, seconds| {
        let asked = Some(Duration::from_secs(seconds));
        retry_after_failure(batch(0, 0), class, asked).unwrap().0
    };
    assert_eq!(delay(FailureClass::Throttled, 7), 7);
    assert_eq!(delay(FailureClass::Throttled, 3000), 60);
    assert_eq!(delay(FailureClass::Transient, 3000), 3000);
}

/// Slots that are retried together, their delay and their attempt.
type Retried = (Vec<u32>, u32, u32);

/// Returns the retries and the settled slots of two records, of which the first ends so and
/// replaces the second.
fn beside_a_newer_one(ending: RecordEnding) -> (Vec<Retried>, Vec<u32>) {
    let (flow, batch) = (flow(), batch(3, 1));
    let mut settlement = settlement(&flow, &batch, AttemptCharging::EveryFailure);
    settlement.add(claimed(record(0)), ending);
    settlement.add_superseded(record(1));
    let slots = |batch: &Batch| batch.records.iter().map(|record| record.slot).collect();
    let retries = settlement.retry_batches();
    let retried = retries
        .iter()
        .map(|(route, batch)| (slots(batch), route.delay.unwrap(), batch.attempt));
    (retried.collect(), slots(&settlement.settled()))
}

#[test]
fn what_a_newer_record_beside_it_replaces_is_stale_once_that_has_settled_and_waits_with_it_until_then()
 {
    let applied = RecordEnding::Applied {
        outcome: Outcome::Created,
        known: KnownRecord::default(),
    };
    assert_eq!(beside_a_newer_one(applied), (vec![], vec![0, 1]));
    assert_eq!(
        beside_a_newer_one(RecordEnding::Skipped),
        (vec![], vec![0, 1])
    );
    let dead_before = RecordEnding::Applied {
        outcome: Outcome::Dead,
        known: KnownRecord::default(),
    };
    assert_eq!(
        beside_a_newer_one(dead_before),
        (vec![(vec![1], 1, 0)], vec![0])
    );
    assert_eq!(
        beside_a_newer_one(RecordEnding::RetryLater(RetryReason::ClaimedElsewhere)),
        (vec![(vec![0, 1], 1, 3)], vec![])
    );
    let failed = |class| RecordEnding::Failed(without_effect(failure(class, None)));
    assert_eq!(
        beside_a_newer_one(failed(FailureClass::Transient)),
        (vec![(vec![0, 1], 120, 4)], vec![])
    );
    assert_eq!(
        beside_a_newer_one(failed(FailureClass::Invalid)),
        (vec![(vec![1], 1, 0)], vec![])
    );
}
