//! Keeping to a system's rate limit together with all who share the store.

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
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How far ahead slots are taken, and so how soon everybody notices that the next ones were moved.
const AHEAD: Duration = Duration::from_secs(1);

/// The least time before the end of the slots that are known to be taken at which more are asked for;
/// where the store takes longer to answer, twice as long as that. Those who come until then get theirs with
/// one question to it.
const LEAD: Duration = Duration::from_millis(20);

/// How much time's slots are taken at once for requests that leave others their turns; one where they are further
/// apart. Live requests of other processes come after them.
const BEHIND: Duration = Duration::from_millis(50);

/// How long a slot is good after its time. Of those who waited for it nobody may be left.
const LATE: Duration = Duration::from_millis(100);

/// How long a request waits for a slot. A batch starts requests for two minutes, its last one may take
/// five, and after ten the broker gives the batch to somebody else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A system's rate limit.
pub(crate) struct Rate {
    system: String,
    pace: SlotPace,
    store: Arc<dyn Store>,
    /// How many requests wait for a slot: live ones, and those that leave others their turns.
    waiting: AtomicU32,
    waiting_behind: AtomicU32,
    /// Those that leave others their turns come through here one by one: no live request waits behind more
    /// than one of them.
    behind: Mutex<()>,
    held: Mutex<Held>,
    closed: CancellationToken,
}

/// Why a request gets no slot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSlot {
    #[error("its rate limit lets no more requests through for now")]
    Later(Duration),
    #[error("the process ends before its rate limit lets another request through")]
    Closed,
    #[error("its rate limit is kept in the store: {0}")]
    Store(#[from] Error),
}

impl Rate {
    /// Where the system has a rate limit.
    pub(crate) fn of(system: &System, store: Arc<dyn Store>) -> Option<Rate> {
        let limit = system.rate_limit?;
        Some(Rate {
            system: system.name.clone(),
            pace: SlotPace {
                interval: limit.interval,
                burst: limit.burst,
                ahead: AHEAD,
            },
            store,
            waiting: AtomicU32::new(0),
            waiting_behind: AtomicU32::new(0),
            behind: Mutex::new(()),
            held: Mutex::new(Held {
                slots: VecDeque::new(),
                ask_at: Instant::now(),
            }),
            closed: CancellationToken::new(),
        })
    }

    /// Waits for the time of a slot, which is then used up. Slots are given to live requests before others,
    /// and in the order in which requests came.
    pub(crate) async fn slot(&self, lane: Lane) -> Result<(), NoSlot> {
        let until = Instant::now() + PATIENCE;
        let waited = self.closed.run_until_cancelled(async {
            let waiting = Waiting::in_line(self.line(lane));
            // Held until the slot is due: the slots after it are for whoever comes first then.
            let (slot, _turn) = timeout_at(until, self.take(lane, until))
                .await
                .unwrap_or(Err(NoSlot::Later(self.pace.interval)))?;
            drop(waiting);
            sleep_until(slot).await;
            Ok(())
        });
        waited.await.unwrap_or(Err(NoSlot::Closed))
    }

    /// Has everybody go on slower: a request that was sent then was one too many. Other processes notice with the
    /// next slots they ask for.
    pub(crate) async fn slow(&self, began: Instant) {
        if let Err(error) = self
            .store
            .halve_pace(&self.system, began.elapsed() + AHEAD)
            .await
        {
            warn!(system = self.system, %error, "its rate limit is not lowered, and is too high");
        }
    }

    /// Lets nobody wait any more.
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
            Lane::Backfill => Some(self.behind.lock().await),
        };
        Ok((self.next(lane, until).await?, turn))
    }

    /// One of those who wait asks for all of them, but for those behind it.
    async fn next(&self, lane: Lane, until: Instant) -> Result<Instant, NoSlot> {
        let mut held = self.held.lock().await;
        loop {
            if let Some(slot) = held.take(Instant::now()) {
                return Ok(slot);
            }
            if held.ask_at > until {
                return Err(NoSlot::Later(
                    held.ask_at.saturating_duration_since(Instant::now()),
                ));
            }
            sleep_until(held.ask_at).await;
            let asked = Instant::now();
            let slots = self
                .store
                .reserve_slots(&self.system, self.pace, self.wanted(lane))
                .await?;
            held.put(slots, LEAD.max(asked.elapsed() * 2));
        }
    }

    /// How many slots to ask for.
    fn wanted(&self, lane: Lane) -> u32 {
        let [live, behind] = Lane::ALL.map(|lane| self.line(lane).load(Ordering::Relaxed));
        let most = BEHIND.as_micros() / self.pace.interval.as_micros().max(1);
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        match lane {
            Lane::Live => live,
            Lane::Backfill => live.saturating_add(behind.min(most)),
        }
    }

    fn line(&self, lane: Lane) -> &AtomicU32 {
        match lane {
            Lane::Live => &self.waiting,
            Lane::Backfill => &self.waiting_behind,
        }
    }
}

/// The slots that a process has.
struct Held {
    slots: VecDeque<Instant>,
    /// When it is time to ask for more.
    ask_at: Instant,
}

impl Held {
    fn take(&mut self, now: Instant) -> Option<Instant> {
        while let Some(slot) = self.slots.pop_front() {
            if slot + LATE >= now {
                return Some(slot);
            }
        }
        None
    }

    /// The store answers in how long slots are due, not when, since clocks differ; what its answer took
    /// makes them later, never earlier.
    fn put(
        &mut self,
        ReservedSlots {
            count,
            first_in,
            interval,
        }: ReservedSlots,
        lead: Duration,
    ) {
        let now = Instant::now();
        let wait = |number: u32| {
            let interval = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
            let micros = first_in.as_micros() + i128::from(interval) * i128::from(number);
            Duration::from_micros(micros.max(0).try_into().unwrap_or(u64::MAX))
        };
        self.slots
            .extend((0..count).map(|number| now + wait(number)));
        self.ask_at = now + wait(count).saturating_sub(lead);
    }
}

/// One of those who wait, for as long as it does.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn in_line(all: &'a AtomicU32) -> Waiting<'a> {
        all.fetch_add(1, Ordering::Relaxed);
        Waiting(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn held(count: u32, first_in: i64) -> (Held, Instant) {
        let now = Instant::now();
        let mut held = Held {
            slots: VecDeque::new(),
            ask_at: now,
        };
        let first_in = SignedDuration::from_secs(first_in);
        held.put(
            ReservedSlots {
                count,
                first_in,
                interval: INTERVAL,
            },
            LEAD,
        );
        (held, now)
    }

    fn asks_in(held: &Held, now: Instant) -> u64 {
        held.ask_at.duration_since(now).as_secs_f64().round() as u64
    }

    /// In how many seconds from then the slots are due, rounded, that somebody can take then.
    fn seconds(held: &mut Held, then: Instant) -> Vec<u64> {
        let due = |slot: Instant| slot.saturating_duration_since(then).as_secs_f64().round() as u64;
        std::iter::from_fn(|| held.take(then)).map(due).collect()
    }

    #[test]
    fn slots_come_in_their_order_and_more_are_asked_for_when_they_end() {
        let (mut held, now) = held(3, 5);
        assert_eq!(asks_in(&held, now), 35);
        assert_eq!(seconds(&mut held, now), [5, 15, 25]);
    }

    #[test]
    fn late_slots_are_due_at_once() {
        let (mut held, now) = held(4, -15);
        assert_eq!(seconds(&mut held, now), [0, 0, 5, 15]);
    }

    #[test]
    fn slots_that_nobody_took_in_time_are_lost() {
        let (mut held, now) = held(3, 5);
        assert_eq!(seconds(&mut held, now + Duration::from_secs(16)), [9]);
    }

    #[test]
    fn where_there_are_none_it_is_known_when_to_ask_again() {
        let (mut held, now) = held(0, 120);
        assert_eq!(held.take(now), None);
        assert_eq!(asks_in(&held, now), 120);
    }
}
