//! Rate slots: the times of a system's requests, for all processes that share a store.

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;

use crate::Result;

/// Gives slots away, and keeps holds. [`rules::slot_pacing`](crate::rules::slot_pacing) decides on
/// their times.
#[async_trait]
pub trait RateSlots: Send + Sync + 'static {
    /// Reserves the next slots of a system, at most `count`, at this pace and by the store's clock.
    /// Each slot is given away once; a slot that is not used is lost.
    async fn reserve_slots(
        &self,
        system: &str,
        pace: SlotPace,
        count: u32,
    ) -> Result<ReservedSlots>;

    /// Holds a system: no further slot of it is due for `length` from now. A longer hold stays as
    /// it is.
    async fn hold_system(&self, system: &str, length: Duration) -> Result<()>;

    /// Time until the hold of a system ends; zero where it is not held.
    async fn remaining_hold(&self, system: &str) -> Result<Duration>;

    /// Ends the hold of a system now. Returns `true` where it was held.
    async fn release_hold(&self, system: &str) -> Result<bool>;

    /// Halves the pace at which a system gets slots, down to a hundredth of the whole, which comes
    /// back evenly within five minutes. Changes nothing where that was done less than `since` ago:
    /// the request that was too fast had its slot from before.
    async fn halve_pace(&self, system: &str, since: Duration) -> Result<()>;
}

/// The pace at which a system gets slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotPace {
    /// Time from one slot to the next; at least a microsecond.
    pub interval: Duration,
    /// Number of slots that may be taken late: they were due and not reserved.
    pub burst: u32,
    /// Only slots that are due within this time are given away.
    pub ahead: Duration,
}

/// Slots that were given away, evenly spaced: each is the right to make one request from its time
/// on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedSlots {
    /// Number of slots; 0 where the next one is too far ahead.
    pub count: u32,
    /// Time from now to the first slot, or to the next one where none was given away. Negative
    /// where it is late.
    pub first_in: SignedDuration,
    /// Time from one slot to the next: the interval of the pace, or more while the system is
    /// slowed.
    pub interval: Duration,
}
