//! The result of fetching a batch: the records that go on, are retried, and are given up.

use std::collections::BTreeMap;

use pomost_http::{Failure, FailureSummary, RetryKey, RetryPolicy};
use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Diagnosis, Outcome, Record, SlotOutcomes, Stage,
};
use pomost_project::Flow;
use pomost_runtime::{dead_letters, metrics};
use tracing::warn;

use super::record_fetch::FetchOutcome;

pub(super) struct FetchedBatch<'a> {
    flow: &'a Flow,
    /// The batch without its records.
    pub(super) batch: &'a Batch,
    /// The records that the source has, each in the slot of the delivered row.
    pub(super) records: Vec<Record>,
    pub(super) letters: Vec<DeadLetter>,
    /// The outcomes of the slots that settle here.
    pub(super) outcomes: SlotOutcomes,
    /// The delivered rows that are to be fetched again.
    pub(super) retries: BTreeMap<RetryKey, Vec<Record>>,
    policy: RetryPolicy,
    failures: FailureSummary,
}

impl<'a> FetchedBatch<'a> {
    pub(super) fn new(flow: &'a Flow, batch: &'a Batch, policy: RetryPolicy) -> FetchedBatch<'a> {
        FetchedBatch {
            flow,
            batch,
            records: Vec::new(),
            letters: Vec::new(),
            outcomes: SlotOutcomes::unsettled(0),
            retries: BTreeMap::new(),
            policy,
            failures: FailureSummary::default(),
        }
    }

    pub(super) fn add(&mut self, delivered: Record, outcome: FetchOutcome) {
        match outcome {
            FetchOutcome::Record(record) => self.records.push(record),
            FetchOutcome::Filtered => {
                self.outcomes.settle(delivered.slot, Outcome::Filtered);
                metrics::count_settled(&self.batch.flow, Stage::Extract, Outcome::Filtered, 1);
            }
            FetchOutcome::Refused(record, diagnosis) => self.bury(record, diagnosis),
            FetchOutcome::NotAsked => self.retry(delivered, self.policy.retry_soon()),
            FetchOutcome::Failed(failure) => self.fail(delivered, &failure),
        }
    }

    pub(super) fn log_failures(&self) {
        for (class, records, example) in self.failures.by_class() {
            warn!(class, records, example, "requests failed");
        }
    }

    fn fail(&mut self, delivered: Record, failure: &Failure) {
        self.failures.add(failure);
        match self.policy.after(failure) {
            Some(retry) => self.retry(delivered, retry),
            None => {
                let error = failure.with_title();
                self.bury(
                    delivered,
                    Diagnosis::new(DeadLetterReason::Transient, error),
                );
            }
        }
    }

    fn retry(&mut self, delivered: Record, retry: RetryKey) {
        self.retries.entry(retry).or_default().push(delivered);
    }

    fn bury(&mut self, record: Record, diagnosis: Diagnosis) {
        let under = Some(self.flow.into());
        let letter = dead_letters::of_record(under, self.batch, record, Stage::Extract, diagnosis);
        self.letters.push(letter);
    }
}
