//! The pace of requests to a system with a rate limit: each has a slot, which the store gives once
//! to all processes that share it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use pomost_models::Lane;
use pomost_project::System;
use pomost_store::{Error, ReservedSlots, SlotPace, Store};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::Clock;

/// The time ahead of which slots are reserved, and so the time until all processes notice that the
/// next ones were moved.
const RESERVED_AHEAD: Duration = Duration::from_secs(1);

/// The least time before the end of the reserved slots at which more are reserved; where the store
/// takes longer to answer, twice as long as that. Requests that come until then get theirs by one
/// round trip.
const MIN_RESERVATION_LEAD: Duration = Duration::from_millis(20);

/// The stretch of slots that backfill reserves at once; one slot where they are further apart. Live
/// requests of other processes come after them.
const BACKFILL_STRETCH: Duration = Duration::from_millis(50);

/// The time after which a slot that no request took is lost. The requests that waited for it may be
/// gone.
const SLOT_LOST_AFTER: Duration = Duration::from_millis(100);

/// The longest time that a request waits for a slot. A batch starts requests for two minutes, its
/// last one may take five, and after ten the broker gives the batch to another worker.
const SLOT_TIMEOUT: Duration = Duration::from_secs(60);

/// The pace of requests to one system.
pub(crate) struct RequestPace {
    system: String,
    pace: SlotPace,
    store: Arc<dyn Store>,
    clock: Clock,
    /// The number of live requests that wait for a slot.
    waiting_live: AtomicU32,
    /// The number of backfill requests that wait for a slot.
    waiting_backfill: AtomicU32,
    /// The first of the backfill requests that wait holds this: no live request waits behind more
    /// than one of them.
    backfill_turn: Mutex<()>,
    reserved: Mutex<SlotQueue>,
    closed: CancellationToken,
}

/// A request that gets no slot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSlot {
    #[error("its rate limit lets no more requests through for now")]
    Later(Duration),
    #[error("the process ends before its rate limit lets another request through")]
    Closed,
    #[error("its rate limit is kept in the store: {0}")]
    Store(#[from] Error),
}

impl RequestPace {
    /// Makes the pace of a system; none where it has no rate limit.
    pub(crate) fn of(
        system: &System,
        store: &Arc<dyn Store>,
        clock: &Clock,
    ) -> Option<RequestPace> {
        let limit = system.rate_limit?;
        Some(RequestPace {
            system: system.name.clone(),
            pace: SlotPace {
                interval: limit.interval,
                burst: limit.burst,
                ahead: RESERVED_AHEAD,
            },
            store: store.clone(),
            clock: clock.clone(),
            waiting_live: AtomicU32::new(0),
            waiting_backfill: AtomicU32::new(0),
            backfill_turn: Mutex::new(()),
            reserved: Mutex::new(SlotQueue {
                slots: VecDeque::new(),
                reserve_at: clock.now(),
            }),
            closed: CancellationToken::new(),
        })
    }

    /// Waits for the time of a slot, which is then used up. Slots are given to live requests before
    /// others, and in the order in which requests came.
    pub(crate) async fn slot(&self, lane: Lane) -> Result<(), NoSlot> {
        let until = self.clock.now() + SLOT_TIMEOUT;
        let waited = self.closed.run_until_cancelled(async {
            let waiting = CountedWaiter::among(self.waiting(lane));
            // The turn is kept until the slot is due: the slots after it are for the first request
            // that comes then.
            let (slot, _turn) = self
                .clock
                .until(until, self.take(lane, until))
                .await
                .unwrap_or(Err(NoSlot::Later(self.pace.interval)))?;
            drop(waiting);
            self.clock.sleep_until(slot).await;
            Ok(())
        });
        waited.await.unwrap_or(Err(NoSlot::Closed))
    }

    /// Lowers the rate for all processes: a request that was sent at `began` was one too many.
    /// Other processes notice with the next slots that they reserve.
    pub(crate) async fn slow_down(&self, began: Instant) {
        let age = self.clock.now().duration_since(began) + RESERVED_AHEAD;
        if let Err(error) = self.store.halve_pace(&self.system, age).await {
            warn!(system = self.system, %error, "its rate limit is not lowered, and is too high");
        }
    }

    /// Ends all waiting for slots.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    async fn take(
        &self,
        lane: Lane,
        until: Instant,
    ) -> Result<(Instant, Option<MutexGuard<'_, ()>>), NoSlot> {
        let turn = match lane {
            Lane::Live => None,
            Lane::Backfill => Some(self.backfill_turn.lock().await),
        };
        Ok((self.next(lane, until).await?, turn))
    }

    /// Returns the next slot. The request that finds none reserves slots for all that wait before
    /// it.
    async fn next(&self, lane: Lane, until: Instant) -> Result<Instant, NoSlot> {
        let (clock, mut reserved) = (&self.clock, self.reserved.lock().await);
        loop {
            if let Some(slot) = reserved.take(clock.now()) {
                return Ok(slot);
            }
            if reserved.reserve_at > until {
                let left = reserved.reserve_at.saturating_duration_since(clock.now());
                return Err(NoSlot::Later(left));
            }
            clock.sleep_until(reserved.reserve_at).await;
            let asked_at = clock.now();
            let slots = self
                .store
                .reserve_slots(&self.system, self.pace, self.wanted(lane))
                .await?;
            let now = clock.now();
            let lead = MIN_RESERVATION_LEAD.max((now - asked_at) * 2);
            reserved.put(slots, lead, now);
        }
    }

    /// Returns the number of slots to reserve.
    fn wanted(&self, lane: Lane) -> u32 {
        let [live, backfill] = Lane::ALL.map(|lane| self.waiting(lane).load(Ordering::Relaxed));
        let most = BACKFILL_STRETCH.as_micros() / self.pace.interval.as_micros().max(1);
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        match lane {
            Lane::Live => live,
            Lane::Backfill => live.saturating_add(backfill.min(most)),
        }
    }

    fn waiting(&self, lane: Lane) -> &AtomicU32 {
        match lane {
            Lane::Live => &self.waiting_live,
            Lane::Backfill => &self.waiting_backfill,
        }
    }
}

/// The slots that a process has reserved.
struct SlotQueue {
    slots: VecDeque<Instant>,
    /// The moment to reserve more.
    reserve_at: Instant,
}

impl SlotQueue {
    fn take(&mut self, now: Instant) -> Option<Instant> {
        while let Some(slot) = self.slots.pop_front() {
            if slot + SLOT_LOST_AFTER >= now {
                return Some(slot);
            }
        }
        None
    }

    /// Adds slots. The store says in which time they are due, not at which moment, since clocks
    /// differ; the time that its answer took makes them later, never earlier.
    fn put(
        &mut self,
        ReservedSlots {
            count,
            first_in,
            interval,
        }: ReservedSlots,
        lead: Duration,
        now: Instant,
    ) {
        let wait = |number: u32| {
            let interval = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
            let micros = first_in.as_micros() + i128::from(interval) * i128::from(number);
            Duration::from_micros(micros.max(0).try_into().unwrap_or(u64::MAX))
        };
        self.slots
            .extend((0..count).map(|number| now + wait(number)));
        self.reserve_at = now + wait(count).saturating_sub(lead);
    }
}

/// A request in the number of those that wait, until it is dropped.
struct CountedWaiter<'a>(&'a AtomicU32);

impl<'a> CountedWaiter<'a> {
    fn among(all: &'a AtomicU32) -> CountedWaiter<'a> {
        all.fetch_add(1, Ordering::Relaxed);
        CountedWaiter(all)
    }
}

impl Drop for CountedWaiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn queue(count: u32, first_in: i64) -> (SlotQueue, Instant) {
        let now = Instant::now();
        let mut queue = SlotQueue {
            slots: VecDeque::new(),
            reserve_at: now,
        };
        let first_in = SignedDuration::from_secs(first_in);
        queue.put(
            ReservedSlots {
                count,
                first_in,
                interval: INTERVAL,
            },
            MIN_RESERVATION_LEAD,
            now,
        );
        (queue, now)
    }

    fn reserves_in(queue: &SlotQueue, now: Instant) -> u64 {
        queue.reserve_at.duration_since(now).as_secs_f64().round() as u64
    }

    /// Returns the times from `then` on, in rounded seconds, at which the slots are due that can be
    /// taken then.
    fn seconds(queue: &mut SlotQueue, then: Instant) -> Vec<u64> {
        let due = |slot: Instant| slot.saturating_duration_since(then).as_secs_f64().round() as u64;
        std::iter::from_fn(|| queue.take(then)).map(due).collect()
    }

    #[test]
    fn slots_come_in_their_order_and_more_are_asked_for_when_they_end() {
        let (mut queue, now) = queue(3, 5);
        assert_eq!(reserves_in(&queue, now), 35);
        assert_eq!(seconds(&mut queue, now), [5, 15, 25]);
    }

    #[test]
    fn late_slots_are_due_at_once() {
        let (mut queue, now) = queue(4, -15);
        assert_eq!(seconds(&mut queue, now), [0, 0, 5, 15]);
    }

    #[test]
    fn slots_that_nobody_took_in_time_are_lost() {
        let (mut queue, now) = queue(3, 5);
        assert_eq!(seconds(&mut queue, now + Duration::from_secs(16)), [9]);
    }

    #[test]
    fn where_there_are_none_it_is_known_when_to_ask_again() {
        let (mut queue, now) = queue(0, 120);
        assert_eq!(queue.take(now), None);
        assert_eq!(reserves_in(&queue, now), 120);
    }
}
