//! The settlement of a batch: which records are settled, which are retried, and which are dead.

mod dead_letters;
mod report;

use std::collections::BTreeMap;

use pomost_broker::{Queue, Route};
use pomost_http::{AttemptCharging, Failure, FailureSummary, RequestEffect, RetryKey, RetryPolicy};
use pomost_models::{Batch, DeadLetter, Outcome, Record, SlotOutcomes, Stage};
use pomost_project::Flow;
use pomost_store::{BatchSettlement, ClaimToken, SettledEntry, SettledState};

use crate::{apply::RecordEnding, claims::ClaimedRecord, decide::RetryReason};

/// The settlement of one batch, to which its records are added one by one.
pub(crate) struct Settlement<'a> {
    flow: &'a Flow,
    batch: &'a Batch,
    stored: BatchSettlement,
    /// The records that have an outcome.
    settled: Vec<(Record, Outcome)>,
    retried: BTreeMap<RetryKey, Vec<Record>>,
    letters: Vec<DeadLetter>,
    failures: FailureSummary,
    retry_policy: RetryPolicy,
}

impl<'a> Settlement<'a> {
    /// Makes the empty settlement of a batch whose records were taken out.
    pub(crate) fn new(
        flow: &'a Flow,
        batch: &'a Batch,
        token: ClaimToken,
        charging: AttemptCharging,
    ) -> Settlement<'a> {
        let mut retry_policy = RetryPolicy::for_batch(batch, flow.load.attempts);
        retry_policy.charging = charging;
        Settlement {
            flow,
            batch,
            stored: BatchSettlement {
                flow: batch.flow.clone(),
                token,
                entries: Vec::new(),
                run: batch.run,
                batch: batch.id.to_string(),
                outcomes: SlotOutcomes::unsettled(0),
            },
            settled: Vec::new(),
            retried: BTreeMap::new(),
            letters: Vec::new(),
            failures: FailureSummary::default(),
            retry_policy,
        }
    }

    /// Adds a claimed record and how applying it ended.
    pub(crate) fn add(&mut self, claimed: ClaimedRecord, ending: RecordEnding) {
        let holds_key = claimed.holds_key();
        let ClaimedRecord { record, entry, .. } = claimed;
        let settled = match ending {
            RecordEnding::Applied { outcome, known } => {
                self.settle(record, outcome);
                SettledState::Applied {
                    known,
                    version: entry.version,
                    hash: entry.hash,
                }
            }
            RecordEnding::Skipped => {
                self.settle(record, Outcome::Filtered);
                SettledState::Released
            }
            RecordEnding::RetryLater(reason) => self.retry_later(record, reason),
            RecordEnding::InDoubt => {
                self.bury_in_doubt(record);
                SettledState::InDoubt
            }
            RecordEnding::ChangedElsewhere(failure) => {
                self.bury_changed(record, &failure);
                SettledState::Released
            }
            RecordEnding::CreateInDoubt(failure) => {
                self.bury_created_perhaps(record, &failure);
                SettledState::StillInFlight
            }
            RecordEnding::Failed(failure) => {
                let effect = failure.effect;
                self.retry_or_bury(record, failure);
                settled_after(effect)
            }
        };
        if holds_key {
            self.stored.entries.push(SettledEntry {
                key: entry.key,
                state: settled,
            });
        }
    }

    /// Adds a record that is older than one of its key that was added before. It is stale once that
    /// one has settled, and is retried together with it. Where that one is dead, this is the newest
    /// record that is left, and is retried for its own sake.
    pub(crate) fn add_superseded(&mut self, record: Record) {
        let is_among = |records: &[Record]| records.iter().any(|newer| newer.key == record.key);
        let newer = self.retried.iter().find(|(_, records)| is_among(records));
        let with_newer = newer.map(|(retry, _)| *retry);
        match with_newer {
            Some(retry) => self.retry(record, retry),
            None if self.has_settled(&record.key) => self.settle(record, Outcome::Stale),
            None => {
                let shortly = self.retry_policy.retry_soon();
                let as_new = RetryKey {
                    attempt: 0,
                    waits: 0,
                    ..shortly
                };
                self.retry(record, as_new);
            }
        }
    }

    /// The part that the store is to write. It holds no outcome of dead letters, which count when
    /// they are archived, but it does of records that died before.
    pub(crate) fn stored(&self) -> &BatchSettlement {
        &self.stored
    }

    /// Has records retried whose keys other workers took over: what was done to them is not in the
    /// ledger, so that later changes would wait for them for ever. The destination or the ledger
    /// tells what became of them.
    pub(crate) fn retry_lost(&mut self, keys: &[String]) {
        let (lost, settled): (Vec<_>, Vec<_>) = std::mem::take(&mut self.settled)
            .into_iter()
            .partition(|(record, _)| keys.contains(&record.key));
        self.stored.outcomes = SlotOutcomes::unsettled(0);
        for (record, outcome) in settled {
            self.settle(record, outcome);
        }
        let shortly = self.retry_policy.retry_soon();
        for (record, _) in lost {
            self.retry(record, shortly);
        }
    }

    /// The batches that are retried, each with its delay.
    pub(crate) fn retry_batches(&self) -> Vec<(Route, Batch)> {
        let queue = Queue::for_batch(Stage::Load, self.batch);
        let batch = |(retry, records): (&RetryKey, &Vec<Record>)| {
            let batch = retry.batch(self.batch, records.clone());
            (Route::delayed(queue.clone(), retry.delay), batch)
        };
        self.retried.iter().map(batch).collect()
    }

    /// The records that are given up.
    pub(crate) fn letters(&self) -> &[DeadLetter] {
        &self.letters
    }

    /// The records that have an outcome, without their data.
    pub(crate) fn settled(&self) -> Batch {
        let bare = self.settled.iter().map(|(record, _)| record.without_data());
        self.batch.with_records(bare.collect())
    }

    /// The keys whose records the destination has now as they are wanted.
    pub(crate) fn applied_keys(&self) -> Vec<&str> {
        let is_applied = |outcome| {
            matches!(
                outcome,
                Outcome::Created | Outcome::Updated | Outcome::Deleted | Outcome::Unchanged
            )
        };
        let applied = self
            .settled
            .iter()
            .filter(|(_, outcome)| is_applied(*outcome));
        applied.map(|(record, _)| record.key.as_str()).collect()
    }

    fn has_settled(&self, key: &str) -> bool {
        self.settled
            .iter()
            .any(|(record, outcome)| record.key == key && *outcome != Outcome::Dead)
    }

    fn settle(&mut self, record: Record, outcome: Outcome) {
        self.stored.outcomes.settle(record.slot, outcome);
        self.settled.push((record, outcome));
    }

    fn retry(&mut self, record: Record, retry: RetryKey) {
        self.retried.entry(retry).or_default().push(record);
    }

    /// Retries a record although nothing failed. Only an attempt in doubt counts towards the
    /// attempts: the record that could clear the doubt may never come.
    fn retry_later(&mut self, record: Record, reason: RetryReason) -> SettledState {
        let policy = self.retry_policy;
        match reason {
            RetryReason::ClaimedElsewhere | RetryReason::OutOfTime => {
                self.retry(record, policy.retry_soon());
                SettledState::Released
            }
            RetryReason::StillInFlight => {
                self.retry(record, policy.retry_uncounted(None));
                SettledState::Released
            }
            RetryReason::InDoubt => {
                let retry = match policy.charging {
                    AttemptCharging::NoFailure | AttemptCharging::FirstFailure => {
                        Some(policy.retry_uncounted(None))
                    }
                    AttemptCharging::EveryFailure => policy.retry_counted(None),
                };
                match retry {
                    Some(retry) => self.retry(record, retry),
                    None => self.bury_other_content_in_doubt(record),
                }
                SettledState::InDoubt
            }
        }
    }

    /// A failure of the destination does not count towards the attempts; one that may pass is
    /// retried until the attempts are used up; every other one makes a dead letter at once.
    fn retry_or_bury(&mut self, record: Record, failure: Failure) {
        match self.retry_policy.after(&failure) {
            Some(retry) => {
                self.failures.add(&failure);
                self.retry(record, retry);
            }
            None => self.bury_failed(record, &failure),
        }
    }
}

/// The state of a key after a request that failed.
fn settled_after(effect: RequestEffect) -> SettledState {
    match effect {
        RequestEffect::None => SettledState::Released,
        RequestEffect::Unlikely => SettledState::InDoubt,
        RequestEffect::Unknown => SettledState::StillInFlight,
    }
}

#[cfg(test)]
mod tests;
