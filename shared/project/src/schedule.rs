//! When a flow runs by itself.

use std::time::Duration;

use croner::Cron;
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// When a flow runs by itself.
#[derive(Debug)]
pub enum Schedule {
    /// Whenever so much time has passed since the last run began.
    Every(Duration),
    /// By the clock.
    Cron {
        /// At which times.
        pattern: Box<Cron>,
        /// Where those are told.
        timezone: TimeZone,
    },
}

impl Schedule {
    /// Whether a run is due, where the last one began at `last`. Where there was none the clock counts from
    /// `since`; intervals begin with a run.
    pub fn is_due(&self, last: Option<Timestamp>, since: Timestamp, now: Timestamp) -> bool {
        match self {
            Schedule::Every(every) => {
                last.is_none_or(|last| now.duration_since(last).unsigned_abs() >= *every)
            }
            Schedule::Cron { pattern, timezone } => {
                let after = last.unwrap_or(since).to_zoned(timezone.clone());
                // A pattern without a next time, `0 0 30 2 *`, is never due.
                pattern
                    .find_next_occurrence(&after, false)
                    .is_ok_and(|next| next.timestamp() <= now)
            }
        }
    }

    /// When a flow should have run so many times after then; never, where there are no such times.
    pub fn nth_time_after(&self, then: Timestamp, times: u32) -> Option<Timestamp> {
        match self {
            Schedule::Every(every) => then.checked_add(every.checked_mul(times)?).ok(),
            Schedule::Cron { pattern, timezone } => {
                let next = |after: Zoned, _| pattern.find_next_occurrence(&after, false).ok();
                let last = (0..times).try_fold(then.to_zoned(timezone.clone()), next)?;
                Some(last.timestamp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cron(pattern: &str, timezone: &str) -> Schedule {
        let timezone = TimeZone::get(timezone).unwrap();
        Schedule::Cron {
            pattern: Box::new(pattern.parse().unwrap()),
            timezone,
        }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn an_interval_begins_with_a_run() {
        let hourly = Schedule::Every(Duration::from_secs(3600));
        let start = at("2026-03-01T12:00:00Z");
        assert!(hourly.is_due(None, start, start));
        assert!(!hourly.is_due(Some(start), start, at("2026-03-01T12:59:59Z")));
        assert!(hourly.is_due(Some(start), start, at("2026-03-01T13:00:00Z")));
    }

    #[test]
    fn the_clock_is_that_of_the_time_zone() {
        let mornings = cron("0 6 * * MON-FRI", "Europe/Warsaw");
        let since = at("2026-03-02T04:00:00Z");
        assert!(!mornings.is_due(None, since, at("2026-03-02T04:59:59Z")));
        assert!(mornings.is_due(None, since, at("2026-03-02T05:00:00Z")));
        // By summer time, after a weekend.
        let friday = at("2026-03-27T05:00:00Z");
        assert!(!mornings.is_due(Some(friday), since, at("2026-03-30T03:59:59Z")));
        assert!(mornings.is_due(Some(friday), since, at("2026-03-30T04:00:00Z")));
    }

    #[test]
    fn a_time_that_summer_time_leaves_out_comes_when_the_clock_has_moved_on() {
        let nightly = cron("30 2 * * *", "Europe/Warsaw");
        let before = at("2026-03-28T01:30:00Z");
        assert!(!nightly.is_due(Some(before), before, at("2026-03-29T00:59:59Z")));
        assert!(nightly.is_due(Some(before), before, at("2026-03-29T01:30:00Z")));
        assert!(!nightly.is_due(
            Some(at("2026-03-29T01:30:00Z")),
            before,
            at("2026-03-29T23:00:00Z")
        ));
    }

    #[test]
    fn what_was_missed_is_made_up_for_once() {
        let hourly = cron("0 * * * *", "UTC");
        let (last, now) = (at("2026-03-01T00:00:00Z"), at("2026-03-08T12:30:00Z"));
        assert!(hourly.is_due(Some(last), last, now));
        assert!(!hourly.is_due(Some(now), last, at("2026-03-08T12:59:59Z")));
    }

    #[test]
    fn it_is_known_when_so_many_runs_should_have_been() {
        let start = at("2026-03-06T12:00:00Z");
        let hourly = Schedule::Every(Duration::from_secs(3600));
        assert_eq!(
            hourly.nth_time_after(start, 3),
            Some(at("2026-03-06T15:00:00Z"))
        );
        // A weekend is between.
        let mornings = cron("0 6 * * MON-FRI", "Europe/Warsaw");
        assert_eq!(
            mornings.nth_time_after(start, 3),
            Some(at("2026-03-11T05:00:00Z"))
        );
        assert_eq!(cron("0 0 30 2 *", "UTC").nth_time_after(start, 3), None);
        assert_eq!(
            Schedule::Every(Duration::MAX).nth_time_after(start, 3),
            None
        );
    }

    #[test]
    fn a_day_that_never_comes_is_never_due() {
        let never = cron("0 0 30 2 *", "UTC");
        assert!(!never.is_due(None, at("2026-03-01T00:00:00Z"), at("2036-03-01T00:00:00Z")));
    }
}
