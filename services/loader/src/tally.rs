//! What came of a batch: what is settled, what comes again, what is dead.

use std::collections::BTreeMap;

use pomost_broker::{Queue, Route};
use pomost_http::{
    AttemptCharging, Failure, FailureClass, FailureSummary, RequestEffect, RetryKey, RetryPolicy,
};
use pomost_models::{Batch, DeadLetter, DeadLetterReason, Outcome, Record, SlotOutcomes, Stage};
use pomost_project::Flow;
use pomost_runtime::{
    dead::{self, Diagnosis},
    metrics,
};
use pomost_store::{
    BatchSettlement, ClaimEntry, ClaimResult, ClaimToken, SettledEntry, SettledState,
};
use tracing::{info, warn};

use crate::act::{End, Failed};

const IN_DOUBT: &str = "an earlier create may have taken place, and the flow has neither load.lookup nor \
    load.create.idempotency_header to find out; look at the destination, then replay it with --absent or \
    --present, or discard it";

const CHANGED: &str = "; somebody else changed the record there after it was last written or read; look at it, then \
    replay this letter to overwrite the change, or discard it";

const CREATED_PERHAPS: &str = "; the record may have been created all the same: look at the destination, then replay \
    it with --absent or --present, or discard it";

const OTHER_CONTENT_IN_DOUBT: &str = "an earlier create of other content may have taken place; it can only be \
    repeated or looked up with that content, which has not come again; look at the destination, then replay it with --absent or --present, or discard it";

/// What came of a batch.
pub struct Tally<'a> {
    flow: &'a Flow,
    batch: &'a Batch,
    settlement: BatchSettlement,
    settled: Vec<(Record, Outcome)>,
    again: BTreeMap<RetryKey, Vec<Record>>,
    letters: Vec<DeadLetter>,
    troubles: FailureSummary,
    tries: RetryPolicy,
}

impl<'a> Tally<'a> {
    /// An empty tally of a batch whose records were taken out.
    pub fn new(flow: &'a Flow, batch: &'a Batch, token: ClaimToken) -> Tally<'a> {
        let settlement = BatchSettlement {
            flow: batch.flow.clone(),
            token,
            entries: Vec::new(),
            run: batch.run,
            batch: batch.id.clone(),
            outcomes: SlotOutcomes::waiting(0),
        };
        let (settled, again, troubles) = Default::default();
        let (letters, tries) = (Vec::new(), RetryPolicy::of(batch, flow.load.attempts));
        Tally {
            flow,
            batch,
            settlement,
            settled,
            again,
            letters,
            troubles,
            tries,
        }
    }

    /// Has failures that may pass cost no attempt from here on.
    pub fn spare_attempts(&mut self, spared: AttemptCharging) {
        self.tries.spared = spared;
    }

    /// Adds a record, what the ledger answered for it and how acting on it ended.
    pub fn add(&mut self, record: Record, entry: ClaimEntry, answer: &ClaimResult, end: End) {
        let settled = match end {
            End::Applied { outcome, known } => {
                self.settle(record, outcome);
                SettledState::Applied {
                    known,
                    version: entry.version,
                    hash: entry.hash,
                }
            }
            End::NotNow => {
                self.come_again(record, self.tries.shortly());
                SettledState::Released
            }
            End::NotYet => {
                self.come_again(record, self.tries.wait(None));
                SettledState::Released
            }
            End::InDoubt { may_clear } => {
                self.leave_in_doubt(record, may_clear);
                SettledState::InDoubt
            }
            End::LeftAlone => {
                self.settle(record, Outcome::Filtered);
                SettledState::Released
            }
            End::Changed(failure) => {
                self.troubles.note(&failure);
                self.bury(record, DeadLetterReason::Conflict, &failure, CHANGED);
                SettledState::Released
            }
            End::CreatedPerhaps(failure) => {
                self.troubles.note(&failure);
                self.bury(record, DeadLetterReason::InDoubt, &failure, CREATED_PERHAPS);
                SettledState::StillInFlight
            }
            End::Failed(Failed { failure, effect }) => {
                self.fail(record, failure);
                match effect {
                    RequestEffect::None => SettledState::Released,
                    RequestEffect::Unlikely => SettledState::InDoubt,
                    RequestEffect::Unknown => SettledState::StillInFlight,
                }
            }
        };
        if answer.known().is_some() {
            self.settlement.entries.push(SettledEntry {
                key: entry.key,
                state: settled,
            });
        }
    }

    /// Adds a record that is older than one of its key that was added before. It is stale once that has
    /// settled, and comes again with it. Where that is dead, also as it was before, it is the newest of those
    /// left, and comes again for its own sake.
    pub fn superseded(&mut self, record: Record) {
        let is_among = |records: &[Record]| records.iter().any(|newer| newer.key == record.key);
        let newer = self.again.iter().find(|(_, records)| is_among(records));
        let again = newer.map(|(again, _)| *again);
        match again {
            Some(again) => self.come_again(record, again),
            None if self.has_settled(&record.key) => self.settle(record, Outcome::Stale),
            None => self.come_again(
                record,
                RetryKey {
                    attempt: 0,
                    waits: 0,
                    ..self.tries.shortly()
                },
            ),
        }
    }

    fn has_settled(&self, key: &str) -> bool {
        self.settled
            .iter()
            .any(|(record, outcome)| record.key == key && *outcome != Outcome::Dead)
    }

    /// The batches that come again, and by which delay.
    pub fn coming_again(&self) -> Vec<(Route, Batch)> {
        let queue = Queue::of(Stage::Load, self.batch);
        let batch = |(again, records): (&RetryKey, &Vec<Record>)| {
            let batch = self.batch.with_records(records.clone());
            let route = Route::delayed(queue.clone(), again.delay);
            (
                route,
                Batch {
                    attempt: again.attempt,
                    waits: again.waits,
                    ..batch
                },
            )
        };
        self.again.iter().map(batch).collect()
    }

    /// The records that are given up.
    pub fn letters(&self) -> &[DeadLetter] {
        &self.letters
    }

    /// The records that have an outcome.
    pub fn settled(&self) -> Batch {
        let bare = self.settled.iter().map(|(record, _)| record.bare());
        self.batch.with_records(bare.collect())
    }

    /// The keys that the destination has now as their records want it.
    pub fn applied(&self) -> Vec<&str> {
        let applied = |outcome| {
            matches!(
                outcome,
                Outcome::Created | Outcome::Updated | Outcome::Deleted | Outcome::Unchanged
            )
        };
        let records = self.settled.iter().filter(|(_, outcome)| applied(*outcome));
        records.map(|(record, _)| record.key.as_str()).collect()
    }

    /// Has records come again whose keys others took over: what was done to them is not in the ledger, and
    /// whoever waits for that would wait in vain. The destination or the ledger says what became of them.
    pub fn lose(&mut self, keys: &[String]) {
        let settled = std::mem::take(&mut self.settled).into_iter();
        let (lost, settled): (Vec<_>, Vec<_>) =
            settled.partition(|(record, _)| keys.contains(&record.key));
        self.settlement.outcomes = SlotOutcomes::waiting(0);
        settled
            .into_iter()
            .for_each(|(record, outcome)| self.settle(record, outcome));
        let again = self.tries.shortly();
        lost.into_iter()
            .for_each(|(record, _)| self.come_again(record, again));
    }

    /// What the store is to write. Dead letters count when they are archived; those of records that died before are.
    pub fn settlement(&self) -> &BatchSettlement {
        &self.settlement
    }

    /// Counts the outcomes and says once what kinds of failure there were.
    pub fn report(&self) {
        for outcome in Outcome::ALL {
            let records = self
                .settled
                .iter()
                .filter(|(_, settled)| *settled == outcome)
                .count();
            if records > 0 {
                metrics::count_settled(&self.batch.flow, Stage::Load, outcome, records as u64);
            }
        }
        for (class, records, example) in self.troubles.kinds() {
            warn!(class, records, example, "requests failed");
        }
        let dead_before = self
            .settled
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Dead)
            .count();
        if dead_before > 0 {
            info!(
                records = dead_before,
                "records are dead as before and were not sent; see `pomost dead list`"
            );
        }
        if !self.letters.is_empty() {
            info!(
                records = self.letters.len(),
                "records became dead letters; see `pomost dead list`"
            );
        }
    }

    /// Failures of the system cost no attempt and wait; others come again until the attempts are
    /// used up, or are given up at once.
    fn fail(&mut self, record: Record, failure: Failure) {
        self.troubles.note(&failure);
        match self.tries.after(&failure) {
            Some(again) => self.come_again(record, again),
            None if failure.class == FailureClass::Transient => {
                self.bury(record, DeadLetterReason::Transient, &failure, "")
            }
            None => self.bury(record, DeadLetterReason::Invalid, &failure, ""),
        }
    }

    fn bury(&mut self, record: Record, reason: DeadLetterReason, failure: &Failure, advice: &str) {
        let answer = match failure.answer.is_empty() {
            true => String::new(),
            false => format!(": {}", self.flow.mask_of(&record, &failure.answer)),
        };
        let error = format!("{}{answer}{advice}", failure.message);
        let letter = self.letter(
            record,
            Diagnosis {
                reason,
                error,
                pointer: None,
            },
        );
        self.letters.push(letter);
    }

    fn letter(&self, record: Record, diagnosis: Diagnosis) -> DeadLetter {
        dead::letter(
            Some(self.flow.into()),
            self.batch,
            record,
            Stage::Load,
            diagnosis,
        )
    }

    fn leave_in_doubt(&mut self, record: Record, may_clear: bool) {
        let again = match self.tries.spared {
            _ if !may_clear => None,
            AttemptCharging::All | AttemptCharging::AllButTheFirst => Some(self.tries.wait(None)),
            AttemptCharging::Nothing => self.tries.try_again(None),
        };
        match again {
            Some(again) => self.come_again(record, again),
            None => self.bury_in_doubt(record, may_clear),
        }
    }

    fn bury_in_doubt(&mut self, record: Record, may_clear: bool) {
        let error = match may_clear {
            true => OTHER_CONTENT_IN_DOUBT,
            false => IN_DOUBT,
        };
        let letter = self.letter(
            record,
            Diagnosis {
                reason: DeadLetterReason::InDoubt,
                error: error.into(),
                pointer: None,
            },
        );
        // An older letter may have the content whose replay clears the doubt.
        self.letters.push(DeadLetter {
            newest_alone: letter.newest_alone && !may_clear,
            ..letter
        });
    }

    fn settle(&mut self, record: Record, outcome: Outcome) {
        self.settlement.outcomes.settle(record.slot, outcome);
        self.settled.push((record, outcome));
    }

    fn come_again(&mut self, record: Record, again: RetryKey) {
        self.again.entry(again).or_default().push(record);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use pomost_models::{Lane, Operation, RunId, Version};
    use pomost_project::{Project, environment::Environment};
    use pomost_store::KnownRecord;
    use serde_json::value::RawValue;

    use super::*;
    use crate::prepare;

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
            id: "1".to_owned(),
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

    /// What becomes of a record of this batch whose request fails so: when and as what it comes again.
    fn again(
        batch: Batch,
        class: FailureClass,
        retry_after: Option<Duration>,
    ) -> Option<(u32, Batch)> {
        let flow = flow();
        comes_again(
            Tally::new(&flow, &batch, ClaimToken::generate()),
            failure(class, retry_after),
        )
    }

    fn failure(class: FailureClass, retry_after: Option<Duration>) -> Failure {
        Failure {
            retry_after,
            ..Failure::new(class, "it failed".to_owned())
        }
    }

    fn comes_again(mut tally: Tally<'_>, failure: Failure) -> Option<(u32, Batch)> {
        let record = record(0);
        let (entry, answer) = (
            prepare::claim_entry(&record, None),
            ClaimResult::Claimed(KnownRecord::default()),
        );
        tally.add(
            record,
            entry,
            &answer,
            End::Failed(Failed::without_effect(failure)),
        );
        tally
            .coming_again()
            .pop()
            .map(|(route, batch)| (route.delay.unwrap(), batch))
    }

    #[test]
    fn the_delay_grows_with_each_attempt_until_none_is_left() {
        let after = |attempt| again(batch(attempt, 0), FailureClass::Transient, None);
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
        let after = |waits| again(batch(7, waits), FailureClass::Throttled, None).unwrap();
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
            let mut tally = Tally::new(&flow, &batch, ClaimToken::generate());
            tally.spare_attempts(AttemptCharging::All);
            comes_again(tally, failure(class, None))
                .map(|(delay, batch)| (batch.attempt, batch.waits, delay))
        };
        assert_eq!(after(FailureClass::Transient), Some((7, 2, 5)));
        assert_eq!(after(FailureClass::Invalid), None);
    }

    #[test]
    fn when_the_system_goes_down_meanwhile_only_its_first_failure_costs_an_attempt() {
        let (flow, batch) = (flow(), batch(1, 1));
        let after = |is_first| {
            let mut tally = Tally::new(&flow, &batch, ClaimToken::generate());
            tally.spare_attempts(AttemptCharging::AllButTheFirst);
            let failure = Failure {
                is_first,
                ..failure(FailureClass::Transient, None)
            };
            let (_, batch) = comes_again(tally, failure).unwrap();
            (batch.attempt, batch.waits)
        };
        assert_eq!([true, false].map(after), [(2, 1), (1, 2)]);
    }

    #[test]
    fn the_system_is_left_alone_for_as_long_as_it_asked() {
        for class in [FailureClass::Transient, FailureClass::Throttled] {
            let (delay, _) = again(batch(0, 0), class, Some(Duration::from_secs(100))).unwrap();
            assert_eq!(delay, 100);
        }
    }

    /// Slots, with the delay by which and the attempt as which they come again.
    type ComingAgain = (Vec<u32>, u32, u32);

    /// What comes again of two records of which one, whose request ends so, replaces the other; and which are settled.
    fn beside_a_newer_one(end: End) -> (Vec<ComingAgain>, Vec<u32>) {
        let (flow, batch) = (flow(), batch(3, 1));
        let mut tally = Tally::new(&flow, &batch, ClaimToken::generate());
        let (newer, answer) = (record(0), ClaimResult::Claimed(KnownRecord::default()));
        tally.add(
            newer.clone(),
            prepare::claim_entry(&newer, None),
            &answer,
            end,
        );
        tally.superseded(record(1));
        let slots = |batch: &Batch| batch.records.iter().map(|record| record.slot).collect();
        let again = tally.coming_again();
        let again = again
            .iter()
            .map(|(route, batch)| (slots(batch), route.delay.unwrap(), batch.attempt));
        (again.collect(), slots(&tally.settled()))
    }

    #[test]
    fn what_a_newer_record_beside_it_replaces_is_stale_once_that_has_settled_and_waits_with_it_until_then()
     {
        let applied = End::Applied {
            outcome: Outcome::Created,
            known: KnownRecord::default(),
        };
        assert_eq!(beside_a_newer_one(applied), (vec![], vec![0, 1]));
        assert_eq!(beside_a_newer_one(End::LeftAlone), (vec![], vec![0, 1]));
        let dead_before = End::Applied {
            outcome: Outcome::Dead,
            known: KnownRecord::default(),
        };
        assert_eq!(
            beside_a_newer_one(dead_before),
            (vec![(vec![1], 1, 0)], vec![0])
        );
        assert_eq!(
            beside_a_newer_one(End::NotNow),
            (vec![(vec![0, 1], 1, 3)], vec![])
        );
        let failed = |class| End::Failed(Failed::without_effect(failure(class, None)));
        assert_eq!(
            beside_a_newer_one(failed(FailureClass::Transient)),
            (vec![(vec![0, 1], 120, 4)], vec![])
        );
        assert_eq!(
            beside_a_newer_one(failed(FailureClass::Invalid)),
            (vec![(vec![1], 1, 0)], vec![])
        );
    }
}
