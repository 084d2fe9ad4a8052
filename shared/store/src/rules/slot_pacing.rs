//! The pacing of the slots of a system. Times are in microseconds since 1970.

use std::time::Duration;

use jiff::SignedDuration;

use super::micros;
use crate::{ReservedSlots, SlotPace};

/// The whole of a pace, in millionths.
pub const WHOLE_PACE: i64 = 1_000_000;

/// The least share of its pace that a system is slowed to, in millionths.
pub const LEAST_PACE: i64 = WHOLE_PACE / 100;

/// Microseconds until one more millionth of the pace has come back: five minutes for the whole.
pub const MICROS_PER_MILLIONTH: i64 = 300;

/// The row of one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRow {
    /// Time of the last slot that was given away.
    pub last_slot: i64,
    /// End of the hold that the system asked for.
    pub held_until: i64,
    /// Share of its pace, in millionths, that the system was slowed to.
    pub slowed_to: i64,
    pub slowed_at: i64,
}

impl Default for SlotRow {
    fn default() -> SlotRow {
        SlotRow {
            last_slot: 0,
            held_until: 0,
            slowed_to: WHOLE_PACE,
            slowed_at: 0,
        }
    }
}

impl SlotRow {
    /// Gives away the next slots at this pace, at most `count`, and notes the last of them.
    pub fn reserve(&mut self, pace: SlotPace, count: u32, now: i64) -> ReservedSlots {
        let whole = micros(pace.interval).max(1);
        let latest = now.saturating_add(micros(pace.ahead));
        let earliest = now.saturating_sub(whole.saturating_mul(pace.burst.into()));
        let interval = self.slowed_interval(whole, now);
        // A slot that was given away for later than `latest` is due to a clock that went wrong.
        let next = self.last_slot.min(latest).saturating_add(interval);
        let first = next.max(earliest).max(self.held_until);
        let count = match latest.saturating_sub(first) {
            ahead if ahead < 0 => 0,
            ahead => (ahead / interval + 1).min(count.into()),
        };
        if count > 0 {
            self.last_slot = first.saturating_add((count - 1).saturating_mul(interval));
        }
        ReservedSlots {
            count: u32::try_from(count).unwrap_or(u32::MAX),
            first_in: SignedDuration::from_micros(first.saturating_sub(now)),
            interval: Duration::from_micros(interval.unsigned_abs()),
        }
    }

    /// Halves the pace, unless that was done less than `since` ago.
    pub fn halve_pace(&mut self, since: Duration, now: i64) {
        if self.slowed_at <= now.saturating_sub(micros(since)) {
            self.slowed_to = LEAST_PACE.max(self.pace_share(now) / 2);
            self.slowed_at = now;
        }
    }

    /// Holds the system for `length` from now. A longer hold stays as it is.
    pub fn hold(&mut self, length: Duration, now: i64) {
        self.held_until = self.held_until.max(now.saturating_add(micros(length)));
    }

    /// Ends the hold. Returns `true` where the system was held.
    pub fn release_hold(&mut self, now: i64) -> bool {
        let was_held = self.held_until > now;
        self.held_until = self.held_until.min(now);
        was_held
    }

    /// Time until the hold ends; zero where the system is not held.
    pub fn remaining_hold(&self, now: i64) -> Duration {
        let left = self.held_until.saturating_sub(now);
        Duration::from_micros(left.try_into().unwrap_or(0))
    }

    /// Share of its pace at which the system gets slots now, in millionths.
    fn pace_share(&self, now: i64) -> i64 {
        let since = now.saturating_sub(self.slowed_at).max(0);
        WHOLE_PACE.min(self.slowed_to + since / MICROS_PER_MILLIONTH)
    }

    fn slowed_interval(&self, interval: i64, now: i64) -> i64 {
        let slowed =
            i128::from(interval) * i128::from(WHOLE_PACE) / i128::from(self.pace_share(now).max(1));
        i64::try_from(slowed).unwrap_or(i64::MAX)
    }
}
