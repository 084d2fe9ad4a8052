//! Leaving a system alone for a while, together with all who share the store.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pomost_store::Store;
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, sleep_until, timeout},
};
use tracing::warn;

/// How long a request waits for the end of a pause. What would take longer is told to whoever wants
/// to make it, who may hold a message meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a system is left alone that refused a request as one too many and named no time: twice as long
/// with each that is refused next.
const FIRST_UNNAMED: Duration = Duration::from_secs(1);
const LONGEST_UNNAMED: Duration = Duration::from_secs(30);

/// How often somebody who makes requests looks whether others were told to leave the system alone: so soon all know.
const LOOK: Duration = Duration::from_millis(250);

/// How long a look is waited for.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// Until when a system takes no request.
pub(crate) struct Pause {
    system: String,
    store: Arc<dyn Store>,
    known: Mutex<Known>,
    looked_at: AsyncMutex<Option<Instant>>,
}

/// What this process knows of it.
#[derive(Default)]
struct Known {
    until: Option<Instant>,
    refusals: Refusals,
}

/// The requests in a row that were refused as one too many, without a time.
#[derive(Default)]
struct Refusals {
    count: u32,
    last: Option<Instant>,
}

impl Pause {
    /// That of a system, which all who share the store keep.
    pub(crate) fn new(system: &str, store: Arc<dyn Store>) -> Pause {
        Pause {
            system: system.to_owned(),
            store,
            known: Mutex::default(),
            looked_at: AsyncMutex::default(),
        }
    }

    /// Begins a pause, or makes it last longer: here at once, in other processes within [`LOOK`] of its being stored.
    pub(crate) async fn begin(&self, length: Duration) {
        self.lasts(length);
        if let Err(error) = self.store.hold_system(&self.system, length).await {
            warn!(system = self.system, %error, "other replicas do not know that it takes no more requests");
        }
    }

    /// Learns that a request which was sent then was one too many, and no time was named. Whether that is news:
    /// it was sent after the last one of that kind had been answered.
    pub(crate) async fn refused(&self, began: Instant) -> bool {
        let length = self.known().refusals.another(began, Instant::now());
        if let Some(length) = length {
            self.begin(length).await;
        }
        length.is_some()
    }

    /// Learns that a request which was sent then was not one too many.
    pub(crate) fn taken(&self, began: Instant) {
        self.known().refusals.end(began);
    }

    /// Waits for the end of a short pause. A longer one is the error: how long it still lasts.
    pub(crate) async fn heed(&self) -> Result<(), Duration> {
        self.look().await;
        while let Some(left) = self.left() {
            if left > PATIENCE {
                return Err(left);
            }
            sleep_until(Instant::now() + left).await;
        }
        Ok(())
    }

    /// How long it still lasts; none where there is no pause.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.known().until?.checked_duration_since(Instant::now());
        left.filter(|left| !left.is_zero())
    }

    /// Whether there is one, also of somebody else.
    pub(crate) async fn is_on(&self) -> bool {
        self.look().await;
        self.left().is_some()
    }

    /// Looks, now and then, whether somebody else began one. Whoever comes while somebody looks waits for what is
    /// seen: requests that come all at once after a rest would go without it. A store that is away holds up nobody
    /// for long.
    async fn look(&self) {
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_some_and(|looked_at| looked_at.elapsed() < LOOK) {
            return;
        }
        if let Ok(Ok(left)) = timeout(LONGEST_LOOK, self.store.remaining_hold(&self.system)).await {
            self.lasts(left);
        }
        *looked_at = Some(Instant::now());
    }

    /// A new one is told once.
    fn lasts(&self, length: Duration) {
        let (now, mut known) = (Instant::now(), self.known());
        if known.until.is_none_or(|until| until <= now) && !length.is_zero() {
            let (system, seconds) = (&self.system, length.as_secs_f64());
            warn!(system, seconds, "the system takes no more requests for now");
        }
        known.until = known.until.max(Some(now + length));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusals {
    /// How long the system is left alone after another one; nothing where it was sent before the last was known.
    fn another(&mut self, began: Instant, now: Instant) -> Option<Duration> {
        if !self.is_since_the_last(began) {
            return None;
        }
        let length = FIRST_UNNAMED
            .saturating_mul(2_u32.saturating_pow(self.count))
            .min(LONGEST_UNNAMED);
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
        Some(length)
    }

    fn end(&mut self, began: Instant) {
        if self.is_since_the_last(began) {
            self.count = 0;
        }
    }

    fn is_since_the_last(&self, began: Instant) -> bool {
        self.last.is_none_or(|last| began >= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_without_a_named_time_grow_with_refusals_in_a_row_up_to_the_longest() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let another =
            |refusals: &mut Refusals| refusals.another(now, now).map(|length| length.as_secs());
        let lengths: Vec<_> = (0..7).filter_map(|_| another(&mut refusals)).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 30, 30]);
        refusals.end(now);
        assert_eq!(another(&mut refusals), Some(1));
    }

    #[test]
    fn what_was_in_flight_at_a_refusal_neither_lengthens_the_next_pause_nor_shortens_it() {
        let (mut refusals, began) = (Refusals::default(), Instant::now());
        let now = began + Duration::from_secs(1);
        assert_eq!(refusals.another(began, now), Some(FIRST_UNNAMED));
        assert_eq!(refusals.another(began, now), None);
        refusals.end(began);
        assert_eq!(refusals.another(now, now), Some(FIRST_UNNAMED * 2));
    }
}
