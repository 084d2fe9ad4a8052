//! The number of requests in flight to a system: as many as it takes, and never more than its
//! `concurrency`.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit},
    time::Instant,
};

use pomost_models::Lane;

use crate::{Clock, metrics};

/// The weight of a new request in the mean time of the latest ones (the `alpha` of RFC 6298 §2),
/// and in the usual mean.
const LATEST_WEIGHT: f64 = 1.0 / 8.0;
const USUAL_WEIGHT: f64 = 1.0 / 512.0;

/// The number of requests after which the usual mean is known.
const KNOWN_AFTER: u32 = 32;

/// The factor by which requests are slower than usual when there are too many of them, unless they
/// are quick all the same.
const SLOWER_FACTOR: f64 = 4.0;
const QUICK_TIME: Duration = Duration::from_millis(100);

/// The requests of a process to one system that are in flight.
pub(crate) struct InFlightLimit {
    system: String,
    clock: Clock,
    permits: Semaphore,
    /// The permits that backfill may have: one fewer, where there are several, so that live
    /// requests find one.
    backfill_permits: Semaphore,
    /// The first of the backfill requests that wait holds this: no live request waits behind more
    /// than one of them.
    backfill_turn: AsyncMutex<()>,
    state: Mutex<LimitState>,
}

struct LimitState {
    limit: AdaptiveLimit,
    /// The number of permits, free and taken. While more are taken than the limit allows, those
    /// that come back are kept.
    permits: usize,
}

/// A place among the requests in flight.
pub(crate) struct InFlightPlace<'a> {
    in_flight: &'a InFlightLimit,
    permit: Option<SemaphorePermit<'a>>,
    _backfill_permit: Option<SemaphorePermit<'a>>,
}

/// The end of a request as a sign of how much the system takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadSign {
    /// The system took the request.
    Taken,
    /// The request was too much: 429, 503, or silence.
    TooMuch,
}

impl InFlightLimit {
    /// Allows up to `ceiling` requests.
    pub(crate) fn new(system: &str, ceiling: usize, clock: &Clock) -> InFlightLimit {
        metrics::set_concurrency(system, ceiling);
        let state = LimitState {
            limit: AdaptiveLimit::new(ceiling),
            permits: ceiling,
        };
        InFlightLimit {
            system: system.to_owned(),
            clock: clock.clone(),
            permits: Semaphore::new(ceiling),
            backfill_permits: Semaphore::new(ceiling.saturating_sub(1).max(1)),
            backfill_turn: AsyncMutex::new(()),
            state: Mutex::new(state),
        }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self, lane: Lane) -> InFlightPlace<'_> {
        // The semaphores are never closed; if they were, going on without them only loses the
        // limit.
        let (_turn, backfill_permit) = match lane {
            Lane::Live => (None, None),
            Lane::Backfill => (
                Some(self.backfill_turn.lock().await),
                self.backfill_permits.acquire().await.ok(),
            ),
        };
        InFlightPlace {
            in_flight: self,
            permit: self.permits.acquire().await.ok(),
            _backfill_permit: backfill_permit,
        }
    }

    /// Learns how a request ended that was sent at `began`.
    pub(crate) fn learn(&self, began: Instant, sign: LoadSign) {
        let mut state = self.state();
        let before = state.limit.whole();
        state.limit.learn(began, sign, self.clock.now());
        let after = state.limit.whole();
        if after == before {
            return;
        }
        metrics::set_concurrency(&self.system, after);
        match after.checked_sub(state.permits) {
            Some(more) => {
                self.permits.add_permits(more);
                state.permits += more;
            }
            None => state.permits -= self.permits.forget_permits(state.permits - after),
        }
    }

    fn state(&self) -> MutexGuard<'_, LimitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightPlace<'_> {
    fn drop(&mut self) {
        let mut state = self.in_flight.state();
        if let Some(permit) = self.permit.take()
            && state.permits > state.limit.whole()
        {
            permit.forget();
            state.permits -= 1;
        }
    }
}

/// The limit of requests in flight. It grows by one after as many requests were taken as it allows,
/// and is halved when it was too much, once for all that were in flight then (additive increase,
/// multiplicative decrease: TCP's congestion avoidance, RFC 5681 §3.1, for requests as in Netflix's
/// concurrency-limits). That requests become much slower is a sign as well, as in TCP Vegas: they
/// wait for each other.
struct AdaptiveLimit {
    now: f64,
    ceiling: f64,
    lowered_at: Option<Instant>,
    /// The mean time of the latest requests, in seconds.
    latest: f64,
    /// The usual mean time of requests, in seconds.
    usual: f64,
    /// The number of requests in the means.
    known: u32,
}

impl AdaptiveLimit {
    fn new(ceiling: usize) -> AdaptiveLimit {
        let ceiling = ceiling as f64;
        AdaptiveLimit {
            now: ceiling,
            ceiling,
            lowered_at: None,
            latest: 0.0,
            usual: 0.0,
            known: 0,
        }
    }

    fn whole(&self) -> usize {
        self.now as usize
    }

    fn learn(&mut self, began: Instant, sign: LoadSign, now: Instant) {
        if sign == LoadSign::Taken {
            self.note((now - began).as_secs_f64());
        }
        let is_new = self.lowered_at.is_none_or(|lowered_at| began >= lowered_at);
        match sign {
            LoadSign::Taken if !self.has_become_slow() => {
                self.now = (self.now + 1.0 / self.now).min(self.ceiling)
            }
            _ if is_new => {
                self.now = (self.now / 2.0).max(1.0);
                self.lowered_at = Some(now);
            }
            _ => {}
        }
    }

    fn note(&mut self, seconds: f64) {
        self.known = self.known.saturating_add(1);
        // At first it is the plain mean of the requests so far.
        let weight = |weight: f64| weight.max(1.0 / f64::from(self.known));
        self.latest += weight(LATEST_WEIGHT) * (seconds - self.latest);
        self.usual += weight(USUAL_WEIGHT) * (seconds - self.usual);
    }

    fn has_become_slow(&self) -> bool {
        self.known >= KNOWN_AFTER
            && self.latest > QUICK_TIME.as_secs_f64().max(SLOWER_FACTOR * self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit, and a time of its own.
    struct Scene {
        limit: AdaptiveLimit,
        now: Instant,
    }

    impl Scene {
        fn of(ceiling: usize) -> Scene {
            Scene {
                limit: AdaptiveLimit::new(ceiling),
                now: Instant::now(),
            }
        }

        /// Makes so many requests one after the other, each of which takes so long.
        fn requests(&mut self, count: usize, sign: LoadSign, milliseconds: u64) -> usize {
            for _ in 0..count {
                let began = self.now;
                self.now += Duration::from_millis(milliseconds);
                self.limit.learn(began, sign, self.now);
            }
            self.limit.whole()
        }
    }

    #[test]
    fn too_much_halves_the_limit_down_to_one_request() {
        let mut scene = Scene::of(16);
        let limits: Vec<usize> = (0..5)
            .map(|_| scene.requests(1, LoadSign::TooMuch, 10))
            .collect();
        assert_eq!(limits, [8, 4, 2, 1, 1]);
    }

    #[test]
    fn what_was_in_flight_when_the_limit_was_lowered_does_not_lower_it_again() {
        let mut scene = Scene::of(16);
        let began = scene.now;
        scene.now += Duration::from_millis(10);
        for _ in 0..16 {
            scene.limit.learn(began, LoadSign::TooMuch, scene.now);
        }
        assert_eq!(scene.limit.whole(), 8);
    }

    #[test]
    fn the_limit_grows_by_one_with_each_window_of_requests_up_to_the_ceiling() {
        let mut scene = Scene::of(16);
        scene.requests(1, LoadSign::TooMuch, 10);
        assert_eq!(scene.requests(7, LoadSign::Taken, 10), 8);
        assert_eq!(scene.requests(2, LoadSign::Taken, 10), 9);
        assert_eq!(scene.requests(1000, LoadSign::Taken, 10), 16);
    }

    #[test]
    fn requests_that_grow_much_slower_lower_it_and_what_stays_slow_becomes_usual() {
        let mut scene = Scene::of(16);
        assert_eq!(scene.requests(1000, LoadSign::Taken, 50), 16);
        assert_eq!(scene.requests(100, LoadSign::Taken, 150), 16);
        assert!(scene.requests(20, LoadSign::Taken, 1000) <= 4);
        assert_eq!(scene.requests(2000, LoadSign::Taken, 1000), 16);
    }

    #[test]
    fn what_is_quick_is_not_slow_however_much_quicker_it_was() {
        let mut scene = Scene::of(16);
        scene.requests(1000, LoadSign::Taken, 1);
        assert_eq!(scene.requests(100, LoadSign::Taken, 90), 16);
    }

    #[tokio::test]
    async fn places_beyond_a_lowered_limit_are_gone_when_they_come_back_and_grow_again() {
        let in_flight = InFlightLimit::new("shop", 4, &Clock::Real);
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(in_flight.enter(Lane::Live).await);
        }
        in_flight.learn(Instant::now(), LoadSign::TooMuch);
        drop(places.split_off(2));
        assert_eq!(in_flight.permits.available_permits(), 0);
        drop(places);
        assert_eq!(in_flight.permits.available_permits(), 2);
        for _ in 0..20 {
            in_flight.learn(Instant::now(), LoadSign::Taken);
        }
        assert_eq!(in_flight.permits.available_permits(), 4);
        in_flight.learn(Instant::now(), LoadSign::TooMuch);
        assert_eq!(in_flight.permits.available_permits(), 2);
    }
}
