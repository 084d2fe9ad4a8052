//! What follows for a record from a failure of its request: it waits, is tried again, or is given up.

use std::{collections::BTreeMap, time::Duration};

use pomost_models::{
    Batch,
    retry::{asked_delay, growing_delay},
};
use tokio::time::Instant;

use crate::{Failure, FailureClass, SystemClient, guard::Guard};

/// The delay of what there was no time for, or what somebody else holds, in seconds.
const SHORTLY: u32 = 1;

/// The longest delay for a system that is not ready, as a number of tries: level 30 s.
const LONGEST_WAIT: u32 = 3;

/// How often the records of a batch were tried, and how often they may be.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    attempt: u32,
    waits: u32,
    attempts: u32,
    /// Which failures that may pass cost no attempt.
    pub charging: AttemptCharging,
}

/// When and as what records come again; those that share it share a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryKey {
    /// In how many seconds.
    pub delay: u32,
    /// The batch's `attempt` then.
    pub attempt: u32,
    /// The batch's `waits` then.
    pub waits: u32,
}

/// Which failures that may pass cost no attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptCharging {
    /// None.
    EveryFailure,
    /// Those that followed another one: the system went down meanwhile, and who was first may be why.
    FirstFailure,
    /// All: the system is down, and that is nobody's fault here.
    NoFailure,
}

impl RetryPolicy {
    /// Those of a batch whose records are tried so many times. Every failure that may pass costs one.
    pub fn for_batch(batch: &Batch, attempts: u32) -> RetryPolicy {
        RetryPolicy {
            attempt: batch.attempt,
            waits: batch.waits,
            attempts,
            charging: AttemptCharging::EveryFailure,
        }
    }

    /// What follows from a failure. One of the system costs no attempt and waits; one that may pass comes
    /// again until the attempts are used up; nothing follows from any other: it is given up at once.
    pub fn after(self, failure: &Failure) -> Option<RetryKey> {
        let is_spared = match self.charging {
            AttemptCharging::EveryFailure => false,
            AttemptCharging::FirstFailure => !failure.is_first,
            AttemptCharging::NoFailure => true,
        };
        match failure.class {
            class if class.is_of_the_system() => Some(self.retry_uncounted(failure.retry_after)),
            FailureClass::Transient if is_spared => Some(self.retry_uncounted(failure.retry_after)),
            FailureClass::Transient => self.retry_counted(failure.retry_after),
            _ => None,
        }
    }

    /// At no cost, as long as was asked for, or longer each time.
    pub fn retry_uncounted(self, asked: Option<Duration>) -> RetryKey {
        let waits = self.waits + 1;
        RetryKey {
            delay: delay(waits, LONGEST_WAIT, asked),
            waits,
            ..self.retry_soon()
        }
    }

    /// For one more attempt, if there is one left.
    pub fn retry_counted(self, asked: Option<Duration>) -> Option<RetryKey> {
        let attempt = self.attempt + 1;
        let again = RetryKey {
            delay: delay(attempt, u32::MAX, asked),
            attempt,
            ..self.retry_soon()
        };
        (attempt < self.attempts).then_some(again)
    }

    /// Soon, as it came.
    pub fn retry_soon(self) -> RetryKey {
        RetryKey {
            delay: SHORTLY,
            attempt: self.attempt,
            waits: self.waits,
        }
    }
}

/// The failures of a batch's requests, by their kinds.
#[derive(Debug, Default)]
pub struct FailureSummary(BTreeMap<&'static str, (u64, String)>);

impl FailureSummary {
    /// Notes a failure.
    pub fn add(&mut self, failure: &Failure) {
        let example = || (0, failure.message.clone());
        self.0
            .entry(failure.class.as_str())
            .or_insert_with(example)
            .0 += 1;
    }

    /// What kinds there were, of how many records, with an example of each: to be said once, by who sent them.
    pub fn by_class(&self) -> impl Iterator<Item = (&'static str, u64, &str)> {
        self.0
            .iter()
            .map(|(class, (records, example))| (*class, *records, example.as_str()))
    }
}

/// What the server asked for, or a delay that grows with the tries.
fn delay(tries: u32, longest: u32, asked: Option<Duration>) -> u32 {
    asked.map_or_else(|| growing_delay(tries.min(longest)), asked_delay)
}

impl SystemClient {
    /// Decides which failures of a batch count towards its attempts, as its system's breaker says.
    pub fn attempt_charging(
        &self,
        batch: &Batch,
        began: Instant,
        was_down: bool,
    ) -> AttemptCharging {
        self.breaker().spares(batch, began, was_down)
    }
}

impl Guard {
    /// Which failures of a batch are spared whose requests began then. Records that only fail when they come
    /// again may be what brings the system down, not the other way round.
    pub fn spares(&self, batch: &Batch, began: Instant, was_down: bool) -> AttemptCharging {
        let is_first = batch.attempt == 0 && batch.waits == 0;
        if was_down || (is_first && self.may_have_been_down_since(began)) {
            AttemptCharging::NoFailure
        } else if self.has_been_down_since(began) {
            AttemptCharging::FirstFailure
        } else {
            AttemptCharging::EveryFailure
        }
    }
}
