//! The requests that may be at fault themselves for the failures of probes.
//!
//! A system whose only requests are of records that it always answers with 5xx looks like one that is down. Nothing in
//! the responses tells the two apart, but an outage ends. So the failures of each request as a probe are followed, and
//! from time to time one of them counts towards its record's attempts.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// The requests that failed as probes since the system last succeeded, by their fingerprints.
///
/// They are kept in memory alone: a restart begins anew, which is on the safe side. There is at most one new entry for
/// each probe, so they are few.
pub(super) struct ProbeSuspects {
    charge_after: Duration,
    failing_since: HashMap<u64, Instant>,
}

impl ProbeSuspects {
    /// Follows requests, of which one failure in each `charge_after` counts.
    pub(super) fn new(charge_after: Duration) -> ProbeSuspects {
        ProbeSuspects {
            charge_after,
            failing_since: HashMap::new(),
        }
    }

    /// Notes that a request failed as a probe. Returns true if that counts towards the attempts of its record.
    pub(super) fn has_failed(&mut self, fingerprint: u64, now: Instant) -> bool {
        let since = self.failing_since.entry(fingerprint).or_insert(now);
        let counts = now.duration_since(*since) >= self.charge_after;
        if counts {
            *since = now;
        }
        counts
    }

    /// Forgets all: the system is up, so failures count by the usual rules.
    pub(super) fn clear(&mut self) {
        self.failing_since.clear();
    }
}
