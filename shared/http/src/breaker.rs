//! When a system is down, and when it is tried again.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Failure, FailureClass};

/// How many failures in a row, without a success between them, mean that a system is down.
const FAILURES: u32 = 10;

/// How long a system that is down is left alone before it is tried; twice as long after each try.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The longest time that a system which is down may ask to be left alone: it would not be known to be down any more
/// ([`pomost_store::Outage::FORGOTTEN_AFTER`]).
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// After how long a try counts as lost: above all that a request may wait for and take.
const LOST: Duration = Duration::from_secs(600);

/// Says which requests to a system are made: all while it is up, and one at a time, a probe, after rests
/// while it is down (a circuit breaker; M. Nygard, Release It!).
pub(crate) struct Breaker {
    state: State,
    /// Grows with each change, and each probe is one. What fails counts only if it was begun since.
    era: u64,
    closed_at: Option<Instant>,
    /// How many probes have failed.
    failed_probes: u32,
}

enum State {
    /// The system is up.
    Closed { failures: u32 },
    /// It is down.
    Open(Rest),
}

#[derive(Clone, Copy)]
struct Rest {
    length: Duration,
    until: Instant,
    /// When the probe that is under way began.
    probe: Option<Instant>,
}

/// A request that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    era: u64,
    /// Whether it tries if the system is back.
    pub(crate) is_probe: bool,
}

/// What the end of a request says of its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answers.
    Up,
    /// It failed, and asked to be left alone for so long.
    Down(Option<Duration>),
    /// No request can be made, since what gives us tokens failed, and asked to be left alone for so long.
    Shut(Option<Duration>),
    /// Nothing.
    None,
}

/// What a sign changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The system is down.
    Opened,
    /// It is up again.
    Closed,
}

impl Breaker {
    /// That of a system which is taken to be up.
    pub(crate) fn new() -> Breaker {
        Breaker {
            state: State::Closed { failures: 0 },
            era: 0,
            closed_at: None,
            failed_probes: 0,
        }
    }

    /// Whether a request may be made; otherwise how long it takes until one may.
    pub(crate) fn ask(&mut self, now: Instant) -> Result<Ticket, Duration> {
        let is_probe = match &mut self.state {
            State::Closed { .. } => false,
            State::Open(rest) => match rest.next(now) {
                Some(next) if next <= now => {
                    rest.probe = Some(now);
                    self.era += 1;
                    true
                }
                next => return Err(next.map_or(rest.length, |next| next - now)),
            },
        };
        Ok(Ticket {
            era: self.era,
            is_probe,
        })
    }

    /// Learns how a request ended.
    pub(crate) fn end(&mut self, ticket: Ticket, sign: Sign, now: Instant) -> Option<Change> {
        match (&mut self.state, sign) {
            (State::Closed { failures }, Sign::Up) => *failures = 0,
            (State::Open(_), Sign::Up) => return Some(self.close(now)),
            _ if ticket.era != self.era => {}
            (State::Closed { failures }, Sign::Down(asked)) => {
                *failures += 1;
                if *failures >= FAILURES {
                    return Some(self.open(asked, now));
                }
            }
            // One request for tokens stands for all that need them.
            (State::Closed { .. }, Sign::Shut(asked)) => return Some(self.open(asked, now)),
            (State::Open(rest), Sign::Down(asked) | Sign::Shut(asked)) => {
                *rest = Rest::of((rest.length * 2).min(LONGEST_REST), asked, now);
                self.failed_probes = self.failed_probes.wrapping_add(1);
            }
            (State::Open(rest), Sign::None) => *rest = Rest::of(rest.length, None, now),
            (State::Closed { .. }, Sign::None) => {}
        }
        None
    }

    /// When the next probe may be made: none while one is under way, or while the system is up.
    pub(crate) fn next_probe(&self) -> Option<Instant> {
        match &self.state {
            State::Closed { .. } => None,
            State::Open(rest) => rest.probe.is_none().then_some(rest.until),
        }
    }

    /// Grows with each probe that fails.
    pub(crate) fn failed_probes(&self) -> u32 {
        self.failed_probes
    }

    /// Whether a failure now would be the first since something succeeded.
    pub(crate) fn is_in_order(&self) -> bool {
        matches!(self.state, State::Closed { failures: 0 })
    }

    /// Whether the system has been down since then.
    pub(crate) fn has_been_open_since(&self, then: Instant) -> bool {
        matches!(self.state, State::Open(_))
            || self.closed_at.is_some_and(|closed_at| closed_at >= then)
    }

    /// Whether the system has been down since then, or may be now: the last that came of it was a failure.
    pub(crate) fn may_have_been_open_since(&self, then: Instant) -> bool {
        !self.is_in_order() || self.has_been_open_since(then)
    }

    fn open(&mut self, asked: Option<Duration>, now: Instant) -> Change {
        self.state = State::Open(Rest::of(FIRST_REST, asked, now));
        self.era += 1;
        Change::Opened
    }

    fn close(&mut self, now: Instant) -> Change {
        self.state = State::Closed { failures: 0 };
        self.era += 1;
        self.closed_at = Some(now);
        Change::Closed
    }
}

impl Rest {
    fn of(length: Duration, asked: Option<Duration>, now: Instant) -> Rest {
        let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
        Rest {
            length,
            until: now + length.max(asked),
            probe: None,
        }
    }

    /// When a probe may be made; none while it is not known when the one under way ends.
    fn next(&self, now: Instant) -> Option<Instant> {
        match self.probe {
            None => Some(self.until),
            Some(began) => (began + LOST <= now).then_some(now),
        }
    }
}

impl Sign {
    /// What the end of a request says. An answer about the record, and one that others are too many, is of
    /// a system that is there; but who is told to wait may be told so by what stands before it.
    pub(crate) fn of<T>(outcome: &Result<T, Failure>) -> Sign {
        let Err(failure) = outcome else {
            return Sign::Up;
        };
        match failure.class {
            _ if failure.unasked => Sign::None,
            _ if failure.no_tokens => Sign::Shut(failure.retry_after),
            FailureClass::Unreachable | FailureClass::Transient | FailureClass::Unauthorised => {
                Sign::Down(failure.retry_after)
            }
            FailureClass::Throttled if failure.status == Some(503) => {
                Sign::Down(failure.retry_after)
            }
            FailureClass::Gone | FailureClass::Conflict | FailureClass::Invalid
                if failure.status.is_some() =>
            {
                Sign::Up
            }
            _ => Sign::None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DOWN: Sign = Sign::Down(None);

    /// A breaker, and a clock of its own.
    struct Scene {
        breaker: Breaker,
        now: Instant,
    }

    impl Scene {
        fn new() -> Scene {
            Scene {
                breaker: Breaker::new(),
                now: Instant::now(),
            }
        }

        fn down() -> Scene {
            let mut scene = Scene::new();
            let changes: Vec<_> = (0..FAILURES).map(|_| scene.request(DOWN)).collect();
            assert_eq!(changes.last(), Some(&Some(Change::Opened)));
            scene
        }

        fn ask(&mut self) -> Result<Ticket, u64> {
            self.breaker.ask(self.now).map_err(|left| left.as_secs())
        }

        fn end(&mut self, ticket: Ticket, sign: Sign) -> Option<Change> {
            self.breaker.end(ticket, sign, self.now)
        }

        fn request(&mut self, sign: Sign) -> Option<Change> {
            let ticket = self.ask().unwrap();
            self.end(ticket, sign)
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn ten_failures_without_a_success_between_them_open_it() {
        let mut scene = Scene::new();
        for sign in [Sign::Up, Sign::None] {
            for _ in 1..FAILURES {
                assert_eq!(scene.request(DOWN), None);
            }
            assert_eq!(scene.request(sign), None);
        }
        assert_eq!(scene.request(DOWN), Some(Change::Opened));
    }

    #[test]
    fn one_failure_to_get_tokens_opens_it_and_the_next_ones_lengthen_its_rest() {
        let mut scene = Scene::new();
        let early = scene.ask().unwrap();
        assert_eq!(scene.request(Sign::Shut(None)), Some(Change::Opened));
        assert_eq!(scene.end(early, Sign::Shut(None)), None);
        assert_eq!(scene.ask(), Err(1));
        scene.pass(1);
        assert_eq!(scene.request(Sign::Shut(None)), None);
        assert_eq!(scene.ask(), Err(2));
    }

    #[test]
    fn while_it_is_open_one_probe_at_a_time_is_let_through_after_each_rest() {
        let mut scene = Scene::down();
        assert_eq!(scene.ask(), Err(1));
        scene.pass(1);
        let probe = scene.ask().unwrap();
        assert!(probe.is_probe);
        assert!(scene.ask().is_err());
        assert_eq!(scene.end(probe, DOWN), None);
        assert_eq!(scene.ask(), Err(2));
    }

    #[test]
    fn rests_grow_with_each_probe_that_fails_up_to_the_longest() {
        let mut scene = Scene::down();
        let mut rests = Vec::new();
        for _ in 0..7 {
            let rest = scene.ask().unwrap_err();
            rests.push(rest);
            scene.pass(rest);
            scene.request(DOWN);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_probe_that_succeeds_closes_it() {
        let mut scene = Scene::down();
        scene.pass(1);
        assert_eq!(scene.request(Sign::Up), Some(Change::Closed));
        assert!(!scene.ask().unwrap().is_probe);
        for _ in 1..FAILURES {
            assert_eq!(scene.request(DOWN), None);
        }
    }

    #[test]
    fn what_was_in_flight_when_it_opened_does_not_lengthen_the_rest() {
        let mut scene = Scene::new();
        let early = scene.ask().unwrap();
        for _ in 0..FAILURES {
            scene.request(DOWN);
        }
        assert_eq!(scene.end(early, DOWN), None);
        assert_eq!(scene.ask(), Err(1));
        scene.pass(1);
        let probe = scene.ask().unwrap();
        assert_eq!(scene.end(early, DOWN), None);
        assert!(scene.ask().is_err());
        assert_eq!(scene.end(probe, Sign::Up), Some(Change::Closed));
        for _ in 0..FAILURES {
            assert_eq!(scene.end(early, DOWN), None);
        }
    }

    #[test]
    fn a_success_of_what_was_in_flight_when_it_opened_closes_it() {
        let mut scene = Scene::new();
        let early = scene.ask().unwrap();
        for _ in 0..FAILURES {
            scene.request(DOWN);
        }
        assert_eq!(scene.end(early, Sign::Up), Some(Change::Closed));
    }

    #[test]
    fn a_probe_that_says_nothing_frees_its_place_and_lengthens_no_rest() {
        let mut scene = Scene::down();
        for _ in 0..3 {
            assert_eq!(scene.ask(), Err(1));
            scene.pass(1);
            assert_eq!(scene.request(Sign::None), None);
        }
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let mut scene = Scene::down();
        scene.pass(1);
        let lost = scene.ask().unwrap();
        scene.pass(LOST.as_secs());
        let probe = scene.ask().unwrap();
        assert!(probe.is_probe);
        assert_eq!(scene.end(lost, DOWN), None);
        assert!(scene.ask().is_err());
        assert_eq!(scene.end(probe, Sign::Up), Some(Change::Closed));
    }

    #[test]
    fn a_system_that_asks_to_be_left_alone_is_not_tried_before() {
        let mut scene = Scene::down();
        scene.pass(1);
        scene.request(Sign::Down(Some(Duration::from_secs(100))));
        assert_eq!(scene.ask(), Err(100));
        scene.pass(100);
        scene.request(Sign::Down(Some(Duration::from_secs(86_400))));
        assert_eq!(scene.ask(), Err(LONGEST_ASKED.as_secs()));
    }

    #[test]
    fn it_is_known_whether_it_was_open_since_something_began() {
        let mut scene = Scene::new();
        let before = scene.now;
        assert!(!scene.breaker.may_have_been_open_since(before));
        scene = Scene {
            now: before,
            ..Scene::down()
        };
        assert!(scene.breaker.may_have_been_open_since(before));
        scene.pass(5);
        scene.request(Sign::Up);
        assert!(scene.breaker.may_have_been_open_since(before));
        assert!(
            !scene
                .breaker
                .may_have_been_open_since(scene.now + Duration::from_secs(1))
        );
    }

    #[test]
    fn after_a_failure_it_is_not_known_whether_the_system_is_down_until_something_succeeds() {
        let mut scene = Scene::new();
        scene.request(DOWN);
        assert!(scene.breaker.may_have_been_open_since(scene.now));
        assert!(!scene.breaker.has_been_open_since(scene.now));
        scene.request(Sign::Up);
        assert!(!scene.breaker.may_have_been_open_since(scene.now));
    }

    #[test]
    fn failures_of_the_system_are_told_from_those_of_a_record_and_from_our_own() {
        let sign = |class, status, unasked| {
            Sign::of::<()>(&Err(Failure {
                status,
                unasked,
                ..Failure::new(class, "it failed".into())
            }))
        };
        for (class, status) in [
            (FailureClass::Unreachable, None),
            (FailureClass::Transient, None),
            (FailureClass::Transient, Some(500)),
            (FailureClass::Unauthorised, Some(403)),
            (FailureClass::Throttled, Some(503)),
        ] {
            assert_eq!(sign(class, status, false), DOWN, "{class:?} {status:?}");
            assert_eq!(
                sign(class, status, true),
                Sign::None,
                "{class:?} {status:?}"
            );
        }
        for class in [
            FailureClass::Gone,
            FailureClass::Conflict,
            FailureClass::Invalid,
        ] {
            assert_eq!(sign(class, Some(422), false), Sign::Up, "{class:?}");
            assert_eq!(sign(class, None, false), Sign::None, "{class:?}");
        }
        assert_eq!(sign(FailureClass::Throttled, Some(429), false), Sign::None);
        for (unasked, sign) in [(false, Sign::Shut(None)), (true, Sign::None)] {
            let failure = Failure::new(FailureClass::Throttled, "no tokens".into());
            assert_eq!(
                Sign::of::<()>(&Err(Failure {
                    no_tokens: true,
                    unasked,
                    ..failure
                })),
                sign
            );
        }
        assert_eq!(Sign::of(&Ok(())), Sign::Up);
    }
}
