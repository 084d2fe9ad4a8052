//! Faults to order: the errors that a system makes, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The faults of a system. The first one that strikes decides about a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultPlan {
    /// Milliseconds that every request waits before anything else happens.
    pub delay_ms: u64,
    pub faults: Vec<Fault>,
}

/// One fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub act: FaultAction,
    /// The timing among the requests that it looks at.
    pub when: FaultTiming,
    /// The method of the requests that it looks at; all requests where it is left out.
    #[serde(default)]
    pub method: Option<String>,
    /// Number of requests that it has looked at. Counting, not chance, decides which are struck.
    #[serde(skip)]
    seen: u64,
}

/// The effect of a fault on a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAction {
    /// The request has no effect and is answered with a status.
    Answer {
        /// The status, such as 503.
        status: u16,
        /// The `Retry-After` header: seconds or an HTTP date.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The request has no effect, and the connection closes without an answer.
    HangUp,
    /// The request has its effect, and the connection closes without an answer.
    HangUpAfter,
    /// The connection closes without an answer, and the request has its effect after that.
    EffectAfter {
        /// Milliseconds between the two.
        ms: u64,
    },
    /// The request has its effect, and the answer is 200 with a body that is not JSON.
    Garbage,
    /// The request has its effect, and the answer breaks off in its middle.
    BreakOff,
    /// The request has its effect at once, and the answer comes late.
    Late {
        /// Milliseconds by which the answer is late.
        ms: u64,
    },
}

/// The requests that a fault strikes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultTiming {
    /// The next requests, this many.
    Next(u64),
    /// One request in so many: the tenth, the twentieth and so on for 10.
    OneIn(u64),
    /// All requests.
    Always,
}

impl Fault {
    /// A fault that strikes requests of all methods.
    pub fn new(when: FaultTiming, act: FaultAction) -> Fault {
        Fault {
            act,
            when,
            method: None,
            seen: 0,
        }
    }

    /// The fault for requests of one method only.
    pub fn on(self, method: &str) -> Fault {
        Fault {
            method: Some(method.to_owned()),
            ..self
        }
    }

    fn strikes(&mut self, method: &str) -> bool {
        if self.method.as_deref().is_some_and(|only| only != method) {
            return false;
        }
        self.seen += 1;
        match self.when {
            FaultTiming::Next(requests) => self.seen <= requests,
            FaultTiming::OneIn(requests) => requests > 0 && self.seen.is_multiple_of(requests),
            FaultTiming::Always => true,
        }
    }
}

impl FaultAction {
    /// An answer with a status and nothing else.
    pub fn answer(status: u16) -> FaultAction {
        FaultAction::Answer {
            status,
            retry_after: None,
        }
    }
}

impl FaultPlan {
    /// One fault and nothing else.
    pub fn only(fault: Fault) -> FaultPlan {
        FaultPlan {
            delay_ms: 0,
            faults: vec![fault],
        }
    }

    /// Decides about the next request: how long it waits, and the fault that strikes it.
    pub(crate) fn next(&mut self, method: &str) -> (Duration, Option<FaultAction>) {
        let struck = self
            .faults
            .iter_mut()
            .find_map(|fault| fault.strikes(method).then(|| fault.act.clone()));
        (Duration::from_millis(self.delay_ms), struck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(when: FaultTiming) -> Vec<usize> {
        let mut faults = FaultPlan::only(Fault::new(when, FaultAction::HangUp).on("POST"));
        let mut strike = |method| faults.next(method).1.is_some();
        (1..=10)
            .filter(|_| !strike("GET") && strike("POST"))
            .collect()
    }

    #[test]
    fn the_next_requests_of_the_method_are_struck() {
        assert_eq!(struck(FaultTiming::Next(3)), [1, 2, 3]);
    }

    #[test]
    fn counting_decides_which_one_of_many_is_struck() {
        assert_eq!(struck(FaultTiming::OneIn(4)), [4, 8]);
    }
}
