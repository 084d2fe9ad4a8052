//! When a system takes requests, for all that share a store.

use std::time::Duration;

use jiff::SignedDuration;

/// The whole of a pace, and the least that a system is slowed to, in millionths.
pub(crate) const WHOLE: i64 = 1_000_000;
pub(crate) const LEAST: i64 = WHOLE / 100;

/// How long it takes until one more millionth of the pace has come back, in microseconds: five minutes for the
/// whole.
pub(crate) const COMES_BACK: i64 = 300;

/// How the slots of a system follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotPace {
    /// From one slot to the next; at least a microsecond.
    pub interval: Duration,
    /// How many slots may be late: they were due and nobody took them.
    pub burst: u32,
    /// How far ahead slots are given away: those that are due within this time.
    pub ahead: Duration,
}

/// Slots that were given away, evenly apart: each is the right to make one request from its time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedSlots {
    /// How many; none where the next one is too far ahead.
    pub count: u32,
    /// How long from now the first one is due, or the next one where there are none. Less than nothing
    /// where it is late.
    pub first_in: SignedDuration,
    /// From one to the next: the interval of the pace, or more while the system is slowed.
    pub interval: Duration,
}
