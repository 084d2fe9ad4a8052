//! Holds: a system asked for no requests for a while, and all processes that share the store send
//! none.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pomost_store::Store;
use tokio::{sync::Mutex as AsyncMutex, time::Instant};
use tracing::{info, warn};

use crate::Clock;

/// The longest time that a request waits for the end of a hold. A longer one is a failure, since
/// the caller may hold a message meanwhile.
const HOLD_WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The length of a hold after a request was refused as one too many and no time was named. It
/// doubles with each refusal in a row.
const FIRST_UNNAMED_HOLD: Duration = Duration::from_secs(1);
const LONGEST_UNNAMED_HOLD: Duration = Duration::from_secs(30);

/// The interval at which a process that makes requests reads holds of other processes from the
/// store.
const STORE_READ_INTERVAL: Duration = Duration::from_millis(250);

/// The interval at which a caller that rests looks if the hold was released.
const RELEASE_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The longest time that requests wait for that reading.
const STORE_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The hold on a system.
pub(crate) struct SystemHold {
    system: String,
    store: Arc<dyn Store>,
    clock: Clock,
    known: Mutex<KnownHold>,
    read_at: AsyncMutex<Option<Instant>>,
}

/// The knowledge of this process about the hold.
#[derive(Default)]
struct KnownHold {
    /// The end of the hold that is in the store, where somebody may release it.
    stored_until: Option<Instant>,
    /// The end of the hold that the system asked this process for, while the store does not have
    /// it.
    unstored_until: Option<Instant>,
    /// Number of holds of this process that the store has taken. A reading of the store that began
    /// before the last of them says nothing about it.
    stored: u64,
    refusals: RefusalStreak,
}

impl KnownHold {
    fn until(&self) -> Option<Instant> {
        self.stored_until.max(self.unstored_until)
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until()?.checked_duration_since(now);
        left.filter(|left| !left.is_zero())
    }
}

/// The requests in a row that were refused as one too many, without a time.
#[derive(Default)]
struct RefusalStreak {
    count: u32,
    last: Option<Instant>,
}

impl SystemHold {
    /// Makes the hold on a system, which all that share the store keep.
    pub(crate) fn new(system: &str, store: &Arc<dyn Store>, clock: &Clock) -> SystemHold {
        SystemHold {
            system: system.to_owned(),
            store: store.clone(),
            clock: clock.clone(),
            known: Mutex::default(),
            read_at: AsyncMutex::default(),
        }
    }

    /// Begins a hold, or makes it last longer: here at once, in other processes within
    /// [`STORE_READ_INTERVAL`] of its being stored.
    pub(crate) async fn begin(&self, length: Duration) {
        let until = self.clock.now() + length;
        self.change(|known| known.unstored_until = known.unstored_until.max(Some(until)));
        match self.store.hold_system(&self.system, length).await {
            Ok(()) => self.change(|known| {
                known.stored_until = known.stored_until.max(Some(until));
                known.stored += 1;
                // A longer one may be on its way to the store.
                if known.unstored_until == Some(until) {
                    known.unstored_until = None;
                }
            }),
            Err(error) => {
                warn!(system = self.system, %error, "other replicas do not know that it takes no more requests");
            }
        }
    }

    /// Learns that a request which was sent at `began` was one too many, and no time was named.
    /// Returns true if that is news: it was sent after the last one of that kind had been refused.
    pub(crate) async fn refused(&self, began: Instant) -> bool {
        let length = self.known().refusals.another(began, self.clock.now());
        if let Some(length) = length {
            self.begin(length).await;
        }
        length.is_some()
    }

    /// Learns that a request which was sent at `began` was not one too many.
    pub(crate) fn taken(&self, began: Instant) {
        self.known().refusals.end(began);
    }

    /// Waits for the end of a short hold. Of a longer one the error is the time until its end.
    pub(crate) async fn wait_for_end(&self) -> Result<(), Duration> {
        self.read_store().await;
        while let Some(left) = self.left() {
            if left > HOLD_WAIT_TIMEOUT {
                return Err(left);
            }
            // Somebody may release it meanwhile.
            self.clock.sleep(left.min(STORE_READ_INTERVAL)).await;
            self.read_store().await;
        }
        Ok(())
    }

    /// Waits until a hold that is on now is over, or was released; for ever where there is none.
    pub(crate) async fn over(&self) {
        if !self.is_on().await {
            return std::future::pending().await;
        }
        while self.is_on().await {
            self.clock.sleep(RELEASE_POLL_INTERVAL).await;
        }
    }

    /// Returns the time until the end of the hold; none where there is no hold.
    pub(crate) fn left(&self) -> Option<Duration> {
        let now = self.clock.now();
        self.known().left(now)
    }

    /// Returns true while there is a hold, of any process.
    pub(crate) async fn is_on(&self) -> bool {
        self.read_store().await;
        self.left().is_some()
    }

    /// Reads, now and then, the hold that is in the store. Requests that come meanwhile wait for
    /// the result: those that come all at once after a quiet time would go without it. A store that
    /// is away holds up none of them for long.
    async fn read_store(&self) {
        let (clock, mut read_at) = (&self.clock, self.read_at.lock().await);
        let age = read_at.map(|read_at| clock.now().duration_since(read_at));
        if age.is_some_and(|age| age < STORE_READ_INTERVAL) {
            return;
        }
        let stored = self.known().stored;
        let reading = clock.within(STORE_READ_TIMEOUT, self.store.remaining_hold(&self.system));
        if let Some(Ok(left)) = reading.await {
            let until = Some(clock.now() + left);
            self.change(|known| {
                known.stored_until = match known.stored == stored {
                    true => until,
                    false => known.stored_until.max(until),
                };
            });
        }
        *read_at = Some(clock.now());
    }

    /// Changes what is known. A hold that begins is logged once, and so is one that was released.
    fn change(&self, change: impl FnOnce(&mut KnownHold)) {
        let (now, mut known) = (self.clock.now(), self.known());
        let before = known.left(now);
        change(&mut known);
        match (before, known.left(now)) {
            (None, Some(left)) => {
                let (system, seconds) = (&self.system, left.as_secs_f64());
                warn!(system, seconds, "the system takes no more requests for now");
            }
            // Shortly before its end it may be over by the store's clock.
            (Some(left), None) if left > STORE_READ_TIMEOUT => {
                info!(
                    system = self.system,
                    "the system takes requests again: its hold was released"
                );
            }
            _ => {}
        }
    }

    fn known(&self) -> MutexGuard<'_, KnownHold> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefusalStreak {
    /// Returns the length of the hold after another refusal; nothing where the request was sent
    /// before the last refusal was known.
    fn another(&mut self, began: Instant, now: Instant) -> Option<Duration> {
        if !self.was_sent_since_last(began) {
            return None;
        }
        let length = FIRST_UNNAMED_HOLD
            .saturating_mul(2_u32.saturating_pow(self.count))
            .min(LONGEST_UNNAMED_HOLD);
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
        Some(length)
    }

    fn end(&mut self, began: Instant) {
        if self.was_sent_since_last(began) {
            self.count = 0;
        }
    }

    fn was_sent_since_last(&self, began: Instant) -> bool {
        self.last.is_none_or(|last| began >= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_without_a_named_time_grow_with_refusals_in_a_row_up_to_the_longest() {
        let (mut refusals, now) = (RefusalStreak::default(), Instant::now());
        let another = |refusals: &mut RefusalStreak| {
            refusals.another(now, now).map(|length| length.as_secs())
        };
        let lengths: Vec<_> = (0..7).filter_map(|_| another(&mut refusals)).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 30, 30]);
        refusals.end(now);
        assert_eq!(another(&mut refusals), Some(1));
    }

    #[test]
    fn what_was_in_flight_at_a_refusal_neither_lengthens_the_next_hold_nor_shortens_it() {
        let (mut refusals, began) = (RefusalStreak::default(), Instant::now());
        let now = began + Duration::from_secs(1);
        assert_eq!(refusals.another(began, now), Some(FIRST_UNNAMED_HOLD));
        assert_eq!(refusals.another(began, now), None);
        refusals.end(began);
        assert_eq!(refusals.another(now, now), Some(FIRST_UNNAMED_HOLD * 2));
    }
}
