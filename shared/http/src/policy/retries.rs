//! The consequence of a failure for a record: it is retried, which may count towards its attempts,
//! or it is given up.

use std::{collections::BTreeMap, time::Duration};

use pomost_models::{
    Batch, Record,
    retry::{asked_delay, growing_delay},
};

use crate::{Failure, FailureClass};

/// The delay of a record that there was no time for, or that another worker holds, in seconds.
const SOON_SECONDS: u32 = 1;

/// The number of retries after which the delay for a system that is not ready stops growing, at 30
/// s.
const GROWING_WAITS: u32 = 3;

/// The longest delay for a hold: the time until records go on whose system was resumed. A record
/// that comes back before the hold ends is not sent, and waits again.
const LONGEST_HOLD_DELAY: Duration = Duration::from_secs(60);

/// The attempts of a batch's records: how many there were, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    attempt: u32,
    waits: u32,
    attempts: u32,
    pub charging: AttemptCharging,
}

/// The time and the batch in which records are retried. Records with equal keys share a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryKey {
    /// The delay in seconds.
    pub delay: u32,
    /// The `attempt` of the batch.
    pub attempt: u32,
    /// The `waits` of the batch.
    pub waits: u32,
}

impl RetryKey {
    /// Makes the batch in which these records of `batch` are retried.
    pub fn batch(self, batch: &Batch, records: Vec<Record>) -> Batch {
        Batch {
            attempt: self.attempt,
            waits: self.waits,
            ..batch.with_records(records)
        }
    }
}

/// Says which transient failures count towards the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptCharging {
    /// All count.
    EveryFailure,
    /// Only the first since a success counts: the system went down meanwhile, and the first record
    /// to fail may be the reason.
    FirstFailure,
    /// None counts: the system is down, which is no record's fault.
    NoFailure,
}

impl RetryPolicy {
    /// Makes the policy of a batch whose records are tried up to `attempts` times. Every transient
    /// failure counts.
    pub fn for_batch(batch: &Batch, attempts: u32) -> RetryPolicy {
        RetryPolicy {
            attempt: batch.attempt,
            waits: batch.waits,
            attempts,
            charging: AttemptCharging::EveryFailure,
        }
    }

    /// Says what follows from a failure. One of the system does not count towards the attempts; a
    /// transient one is retried until the attempts are used up; after any other nothing is retried:
    /// the record is given up at once.
    pub fn after(self, failure: &Failure) -> Option<RetryKey> {
        match failure.class {
            FailureClass::Throttled => {
                let asked = failure.retry_after;
                Some(self.retry_uncounted(asked.map(|asked| asked.min(LONGEST_HOLD_DELAY))))
            }
            class if class.is_of_the_system() => Some(self.retry_uncounted(failure.retry_after)),
            FailureClass::Transient if self.counts(failure) => {
                self.retry_counted(failure.retry_after)
            }
            FailureClass::Transient => Some(self.retry_uncounted(failure.retry_after)),
            _ => None,
        }
    }

    /// Retries without counting an attempt, after the time that was asked for, or a growing one.
    pub fn retry_uncounted(self, asked: Option<Duration>) -> RetryKey {
        let waits = self.waits + 1;
        RetryKey {
            delay: delay(waits.min(GROWING_WAITS), asked),
            waits,
            ..self.retry_soon()
        }
    }

    /// Retries for one more attempt, if there is one left.
    pub fn retry_counted(self, asked: Option<Duration>) -> Option<RetryKey> {
        let attempt = self.attempt + 1;
        let retry = RetryKey {
            delay: delay(attempt, asked),
            attempt,
            ..self.retry_soon()
        };
        (attempt < self.attempts).then_some(retry)
    }

    /// Retries in a second, as if the records had not been taken.
    pub fn retry_soon(self) -> RetryKey {
        RetryKey {
            delay: SOON_SECONDS,
            attempt: self.attempt,
            waits: self.waits,
        }
    }

    fn counts(self, failure: &Failure) -> bool {
        failure.is_of_suspect
            || match self.charging {
                AttemptCharging::EveryFailure => true,
                AttemptCharging::FirstFailure => failure.is_first,
                AttemptCharging::NoFailure => false,
            }
    }
}

/// The failures of a batch's requests, by their classes.
#[derive(Debug, Default)]
pub struct FailureSummary(BTreeMap<&'static str, (u64, String)>);

impl FailureSummary {
    /// Adds a failure.
    pub fn add(&mut self, failure: &Failure) {
        let example = || (0, failure.message.clone());
        self.0
            .entry(failure.class.as_str())
            .or_insert_with(example)
            .0 += 1;
    }

    /// Returns each class, the number of its records, and an example: for one line of the log per
    /// class.
    pub fn by_class(&self) -> impl Iterator<Item = (&'static str, u64, &str)> {
        self.0
            .iter()
            .map(|(class, (records, example))| (*class, *records, example.as_str()))
    }
}

/// Returns the delay that the server asked for, or one that grows with the retries, in seconds.
fn delay(retries: u32, asked: Option<Duration>) -> u32 {
    asked.map_or_else(|| growing_delay(retries), asked_delay)
}

#[cfg(test)]
mod tests {
    use pomost_models::{Lane, RunId};

    use super::*;

    fn attempts_after(charging: AttemptCharging, failure: Failure) -> Option<(u32, u32)> {
        let batch = Batch {
            flow: "things".into(),
            run: RunId::generate(),
            id: "0.0".into(),
            size: 1,
            attempt: 1,
            waits: 1,
            lane: Lane::Live,
            records: Vec::new(),
        };
        let mut policy = RetryPolicy::for_batch(&batch, 3);
        policy.charging = charging;
        policy
            .after(&failure)
            .map(|retry| (retry.attempt, retry.waits))
    }

    #[test]
    fn a_failed_probe_of_a_suspect_counts_though_the_system_is_down_and_no_other_failure_does() {
        let failed = |class| Failure::new(class, "it failed".to_owned());
        let after = |failure| attempts_after(AttemptCharging::NoFailure, failure);
        assert_eq!(after(failed(FailureClass::Transient)), Some((1, 2)));
        let suspect = |class| Failure {
            is_of_suspect: true,
            ..failed(class)
        };
        assert_eq!(after(suspect(FailureClass::Transient)), Some((2, 1)));
        assert_eq!(after(suspect(FailureClass::Throttled)), Some((1, 2)));
    }

    #[test]
    fn of_those_that_went_down_with_the_system_only_the_first_failure_counts() {
        let after = |is_first| {
            let failure = Failure {
                is_first,
                ..Failure::new(FailureClass::Transient, "it failed".to_owned())
            };
            attempts_after(AttemptCharging::FirstFailure, failure)
        };
        assert_eq!([true, false].map(after), [Some((2, 1)), Some((1, 2))]);
    }
}
