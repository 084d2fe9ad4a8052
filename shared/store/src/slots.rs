//! When a system takes requests, for all that share a store.

use std::time::Duration;

use jiff::SignedDuration;

/// How the slots of a system follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one slot to the next; at least a microsecond.
    pub interval: Duration,
    /// How many slots may be late: they were due and nobody took them.
    pub burst: u32,
    /// How far ahead slots are given away: those that are due within this time.
    pub ahead: Duration,
}

/// Slots that were given away, one interval apart: each is the right to make one request from its time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// How many; none where the next one is too far ahead.
    pub count: u32,
    /// How long from now the first one is due, or the next one where there are none. Less than nothing
    /// where it is late.
    pub first_in: SignedDuration,
}
