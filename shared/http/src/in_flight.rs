//! How many requests a system has in flight at a time: what it takes, and never more than was declared.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit},
    time::Instant,
};

use pomost_models::Lane;

use crate::metrics;

/// How much the mean of the latest requests counts a new one (the `alpha` of RFC 6298 §2), and how much the
/// mean of all does, which tells what is usual.
const LATEST: f64 = 1.0 / 8.0;
const USUAL: f64 = 1.0 / 512.0;

/// How many requests it takes to know what is usual.
const KNOWN_AFTER: u32 = 32;

/// How many times slower than usual is a sign of too many requests, unless it is quick all the same.
const SLOWER: f64 = 4.0;
const QUICK: Duration = Duration::from_millis(100);

/// The requests of a process to one system that are in flight.
pub(crate) struct InFlight {
    system: String,
    room: Semaphore,
    /// Requests that leave others their turns do not take all the room, where there is any to leave.
    room_behind: Semaphore,
    /// They wait one by one: no live request waits behind more than one of them.
    behind: AsyncMutex<()>,
    state: Mutex<State>,
}

struct State {
    limit: Limit,
    /// How many permits there are, free and taken. While more are taken than the limit allows, those that
    /// come back are kept.
    permits: usize,
}

/// A place among the requests in flight.
pub(crate) struct Place<'a> {
    in_flight: &'a InFlight,
    permit: Option<SemaphorePermit<'a>>,
    _behind: Option<SemaphorePermit<'a>>,
}

/// What the end of a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// The system took it.
    Taken,
    /// It was too much: 429, 503, or silence.
    TooMuch,
}

impl InFlight {
    /// Room for so many.
    pub(crate) fn new(system: &str, ceiling: usize) -> InFlight {
        metrics::set_concurrency(system, ceiling);
        let state = State {
            limit: Limit::new(ceiling),
            permits: ceiling,
        };
        let room_behind = Semaphore::new(ceiling.saturating_sub(1).max(1));
        let (system, room) = (system.to_owned(), Semaphore::new(ceiling));
        let behind = AsyncMutex::new(());
        InFlight {
            system,
            room,
            room_behind,
            behind,
            state: Mutex::new(state),
        }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self, lane: Lane) -> Place<'_> {
        // The semaphores are never closed; if they were, going on without them only loses the limit.
        let (_turn, behind) = match lane {
            Lane::Live => (None, None),
            Lane::Backfill => (
                Some(self.behind.lock().await),
                self.room_behind.acquire().await.ok(),
            ),
        };
        Place {
            in_flight: self,
            permit: self.room.acquire().await.ok(),
            _behind: behind,
        }
    }

    /// Learns how a request ended that was sent at `began`.
    pub(crate) fn learn(&self, began: Instant, load: Load) {
        let mut state = self.state();
        let before = state.limit.whole();
        state.limit.end(began, load, Instant::now());
        let after = state.limit.whole();
        if after == before {
            return;
        }
        metrics::set_concurrency(&self.system, after);
        match after.checked_sub(state.permits) {
            Some(more) => {
                self.room.add_permits(more);
                state.permits += more;
            }
            None => state.permits -= self.room.forget_permits(state.permits - after),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
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

/// How many requests may be in flight: one more after as many were taken as may be, and half of them when it
/// was too much, once for all that were in flight then (additive increase, multiplicative decrease: TCP's
/// congestion avoidance, RFC 5681 §3.1, for requests as in Netflix's concurrency-limits). That requests
/// grow much slower is a sign as well, as in TCP Vegas: they wait for each other.
struct Limit {
    now: f64,
    ceiling: f64,
    lowered_at: Option<Instant>,
    /// The mean times of requests, in seconds: of the latest ones, and the usual one.
    latest: f64,
    usual: f64,
    known: u32,
}

impl Limit {
    fn new(ceiling: usize) -> Limit {
        let ceiling = ceiling as f64;
        Limit {
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

    fn end(&mut self, began: Instant, load: Load, now: Instant) {
        if load == Load::Taken {
            self.note((now - began).as_secs_f64());
        }
        let is_new = self.lowered_at.is_none_or(|lowered_at| began >= lowered_at);
        match load {
            Load::Taken if !self.grows_slow() => {
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
        // At first, the mean of those there are.
        let weight = |weight: f64| weight.max(1.0 / f64::from(self.known));
        self.latest += weight(LATEST) * (seconds - self.latest);
        self.usual += weight(USUAL) * (seconds - self.usual);
    }

    fn grows_slow(&self) -> bool {
        self.known >= KNOWN_AFTER && self.latest > QUICK.as_secs_f64().max(SLOWER * self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit, and a clock of its own.
    struct Scene {
        limit: Limit,
        now: Instant,
    }

    impl Scene {
        fn of(ceiling: usize) -> Scene {
            Scene {
                limit: Limit::new(ceiling),
                now: Instant::now(),
            }
        }

        /// As many requests one after the other, each taking so long.
        fn requests(&mut self, count: usize, load: Load, milliseconds: u64) -> usize {
            for _ in 0..count {
                let began = self.now;
                self.now += Duration::from_millis(milliseconds);
                self.limit.end(began, load, self.now);
            }
            self.limit.whole()
        }
    }

    #[test]
    fn too_much_halves_the_limit_down_to_one_request() {
        let mut scene = Scene::of(16);
        let limits: Vec<usize> = (0..5)
            .map(|_| scene.requests(1, Load::TooMuch, 10))
            .collect();
        assert_eq!(limits, [8, 4, 2, 1, 1]);
    }

    #[test]
    fn what_was_in_flight_when_the_limit_was_lowered_does_not_lower_it_again() {
        let mut scene = Scene::of(16);
        let began = scene.now;
        scene.now += Duration::from_millis(10);
        for _ in 0..16 {
            scene.limit.end(began, Load::TooMuch, scene.now);
        }
        assert_eq!(scene.limit.whole(), 8);
    }

    #[test]
    fn the_limit_grows_by_one_with_each_window_of_requests_up_to_the_ceiling() {
        let mut scene = Scene::of(16);
        scene.requests(1, Load::TooMuch, 10);
        assert_eq!(scene.requests(7, Load::Taken, 10), 8);
        assert_eq!(scene.requests(2, Load::Taken, 10), 9);
        assert_eq!(scene.requests(1000, Load::Taken, 10), 16);
    }

    #[test]
    fn requests_that_grow_much_slower_lower_it_and_what_stays_slow_becomes_usual() {
        let mut scene = Scene::of(16);
        assert_eq!(scene.requests(1000, Load::Taken, 50), 16);
        assert_eq!(scene.requests(100, Load::Taken, 150), 16);
        assert!(scene.requests(20, Load::Taken, 1000) <= 4);
        assert_eq!(scene.requests(2000, Load::Taken, 1000), 16);
    }

    #[test]
    fn what_is_quick_is_not_slow_however_much_quicker_it_was() {
        let mut scene = Scene::of(16);
        scene.requests(1000, Load::Taken, 1);
        assert_eq!(scene.requests(100, Load::Taken, 90), 16);
    }

    #[tokio::test]
    async fn places_beyond_a_lowered_limit_are_gone_when_they_come_back_and_grow_again() {
        let in_flight = InFlight::new("shop", 4);
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(in_flight.enter(Lane::Live).await);
        }
        in_flight.learn(Instant::now(), Load::TooMuch);
        drop(places.split_off(2));
        assert_eq!(in_flight.room.available_permits(), 0);
        drop(places);
        assert_eq!(in_flight.room.available_permits(), 2);
        for _ in 0..20 {
            in_flight.learn(Instant::now(), Load::Taken);
        }
        assert_eq!(in_flight.room.available_permits(), 4);
        in_flight.learn(Instant::now(), Load::TooMuch);
        assert_eq!(in_flight.room.available_permits(), 2);
    }
}
