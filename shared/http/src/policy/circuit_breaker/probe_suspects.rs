//! The requests that may be at fault themselves for the failures of probes.
//!
//! A system whose only requests are of records that it always answers with 5xx looks like one that
//! is down. Nothing in the responses tells the two apart, but an outage ends. So the failures of
//! each request as a probe are followed, and from time to time one of them counts towards its
//! record's attempts.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// The requests that failed as probes since the system last succeeded, by their fingerprints.
///
/// They are kept in memory alone: a restart begins anew, which is on the safe side. There is at
/// most one new entry for each probe, so they are few.
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

    /// Notes that a request failed as a probe. Returns true if that counts towards the attempts of
    /// its record.
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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{
            BreakerTiming,
            breaker_state::{BreakerState, HealthSign},
        },
        *,
    };

    const HOUR: u64 = 3600;
    const ATTEMPTS: u32 = 3;

    #[test]
    fn one_failure_counts_in_each_twelve_hours_of_failing_as_a_probe() {
        let (began, timing) = (Instant::now(), BreakerTiming::default());
        let mut suspects = ProbeSuspects::new(timing.charge_after);
        let mut counts_after =
            |minutes| suspects.has_failed(7, began + Duration::from_secs(60 * minutes));
        let counting: Vec<u64> = (0..60 * 30)
            .filter(|minutes| counts_after(*minutes))
            .collect();
        assert_eq!(counting, [12 * 60, 24 * 60]);
    }

    #[test]
    fn a_success_of_the_system_begins_the_twelve_hours_anew_and_so_does_another_request() {
        let (began, day) = (Instant::now(), Duration::from_secs(24 * HOUR));
        let mut suspects = ProbeSuspects::new(day / 2);
        assert!(!suspects.has_failed(1, began));
        assert!(!suspects.has_failed(2, began + day));
        suspects.clear();
        assert!(!suspects.has_failed(1, began + day));
    }

    /// A record that is to be written at some time, in seconds.
    #[derive(Debug, Clone)]
    struct ModelRecord {
        always_fails: bool,
        arrives: u64,
        attempts: u32,
        is_gone: bool,
    }

    /// Tries records at random, on a system with outages. Returns the records at the end.
    fn simulate(
        mut records: Vec<ModelRecord>,
        outages: &[(u64, u64)],
        mut random: u64,
    ) -> Vec<ModelRecord> {
        let (began, timing) = (Instant::now(), BreakerTiming::default());
        let mut state = BreakerState::new(timing);
        let mut suspects = ProbeSuspects::new(timing.charge_after);
        let mut now = 0;
        while now < 15 * 24 * HOUR {
            let pending: Vec<usize> = (0..records.len())
                .filter(|&place| !records[place].is_gone && records[place].arrives <= now)
                .collect();
            let moment = began + Duration::from_secs(now);
            now += if pending.is_empty() { 60 } else { 1 };
            if pending.is_empty() {
                continue;
            }
            let ticket = match state.ask(moment) {
                Ok(ticket) => ticket,
                Err(left) => {
                    now += left.as_secs();
                    continue;
                }
            };
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = pending[(random >> 33) as usize % pending.len()];
            let is_down = outages.iter().any(|&(from, to)| (from..to).contains(&now));
            let record = &mut records[place];
            if is_down || record.always_fails {
                if ticket.is_probe && suspects.has_failed(place as u64, moment) {
                    record.attempts += 1;
                    record.is_gone = record.attempts == ATTEMPTS;
                }
                state.end(ticket, HealthSign::Down(None), moment);
            } else {
                record.is_gone = true;
                suspects.clear();
                state.end(ticket, HealthSign::Up, moment);
            }
        }
        records
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn outages_of_hours_charge_no_good_record_and_bad_ones_end_however_few_they_are(
            bad in 0_usize..12,
            good in vec(0..100 * HOUR, 0..12),
            outages in vec((1..40 * HOUR, 1..11 * HOUR), 0..3),
            random: u64,
        ) {
            let record = |always_fails, arrives| ModelRecord {
                always_fails,
                arrives,
                attempts: 0,
                is_gone: false,
            };
            let mut end = 0;
            let outages: Vec<(u64, u64)> = outages
                .into_iter()
                .map(|(after, length)| {
                    let from = end + after;
                    end = from + length;
                    (from, end)
                })
                .collect();
            let records = (0..bad)
                .map(|_| record(true, 0))
                .chain(good.into_iter().map(|arrives| record(false, arrives)));
            for record in simulate(records.collect(), &outages, random) {
                prop_assert!(record.is_gone, "{record:?} {outages:?}");
                prop_assert!(record.always_fails || record.attempts == 0, "{record:?} {outages:?}");
            }
        }
    }
}
