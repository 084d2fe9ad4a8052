//! The state machine of a circuit breaker (M. Nygard, Release It!), without any I/O.

use std::time::Duration;

use tokio::time::Instant;

use super::BreakerTiming;
use crate::{Failure, FailureClass};

/// The number of failures in a row, without a success between them, that open the breaker.
const FAILURES_TO_OPEN: u32 = 10;

/// The longest rest that a system which is down may ask for: a longer one would outlast the store's
/// memory of the outage ([`pomost_store::Outage::FORGOTTEN_AFTER`]).
const MAX_ASKED_REST: Duration = Duration::from_secs(600);

/// The time after which a probe counts as lost: more than a request may wait and take.
const PROBE_LOST_AFTER: Duration = Duration::from_secs(600);

/// Says which requests to a system are sent: all while it is up, and one at a time, a probe, after
/// rests while it is down.
pub(super) struct BreakerState {
    timing: BreakerTiming,
    position: BreakerPosition,
    /// Grows with each change, and each probe is one. A failure counts only if its request began
    /// since the last.
    era: u64,
    closed_at: Option<Instant>,
    failed_probes: u32,
}

enum BreakerPosition {
    /// The system is up.
    Closed {
        /// The number of failures since the last success.
        failures: u32,
    },
    /// The system is down. While a probe is under way, this is what others call half-open.
    Open(ProbeRest),
}

/// The time without requests before a probe, and the probe.
#[derive(Clone, Copy)]
struct ProbeRest {
    length: Duration,
    until: Instant,
    probe_began_at: Option<Instant>,
}

/// The permission to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestTicket {
    era: u64,
    pub(super) is_probe: bool,
}

/// The end of a request as a sign of its system's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthSign {
    /// The system answers.
    Up,
    /// The system failed, and asked to be left alone for so long.
    Down(Option<Duration>),
    /// The token endpoint or login failed, so that no request can be sent, and asked to be left
    /// alone for so long.
    NoTokens(Option<Duration>),
    /// The request says nothing about the system.
    None,
}

/// A change of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BreakerChange {
    /// The system is down.
    Opened,
    /// The system is up again.
    Closed,
}

impl BreakerState {
    /// Makes a breaker that is closed.
    pub(super) fn new(timing: BreakerTiming) -> BreakerState {
        BreakerState {
            timing,
            position: BreakerPosition::Closed { failures: 0 },
            era: 0,
            closed_at: None,
            failed_probes: 0,
        }
    }

    /// Permits a request; the error is the time until one may be permitted.
    pub(super) fn ask(&mut self, now: Instant) -> Result<RequestTicket, Duration> {
        let is_probe = match &mut self.position {
            BreakerPosition::Closed { .. } => false,
            BreakerPosition::Open(rest) => match rest.next(now) {
                Some(next) if next <= now => {
                    rest.probe_began_at = Some(now);
                    self.era += 1;
                    true
                }
                next => return Err(next.map_or(rest.length, |next| next - now)),
            },
        };
        Ok(RequestTicket {
            era: self.era,
            is_probe,
        })
    }

    /// Learns how a request ended.
    pub(super) fn end(
        &mut self,
        ticket: RequestTicket,
        sign: HealthSign,
        now: Instant,
    ) -> Option<BreakerChange> {
        match (&mut self.position, sign) {
            (BreakerPosition::Closed { failures }, HealthSign::Up) => *failures = 0,
            (BreakerPosition::Open(_), HealthSign::Up) => return Some(self.close(now)),
            _ if ticket.era != self.era => {}
            (BreakerPosition::Closed { failures }, HealthSign::Down(asked)) => {
                *failures += 1;
                if *failures >= FAILURES_TO_OPEN {
                    return Some(self.open(asked, now));
                }
            }
            // One request for tokens stands for all that need them.
            (BreakerPosition::Closed { .. }, HealthSign::NoTokens(asked)) => {
                return Some(self.open(asked, now));
            }
            (
                BreakerPosition::Open(rest),
                HealthSign::Down(asked) | HealthSign::NoTokens(asked),
            ) => {
                let length = (rest.length * 2).min(self.timing.longest_rest);
                *rest = ProbeRest::of(length, asked, now);
                self.failed_probes = self.failed_probes.wrapping_add(1);
            }
            (BreakerPosition::Open(rest), HealthSign::None) => {
                *rest = ProbeRest::of(rest.length, None, now)
            }
            (BreakerPosition::Closed { .. }, HealthSign::None) => {}
        }
        None
    }

    /// Returns the moment from which a probe is due; none while one is under way, or while the
    /// system is up.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        match &self.position {
            BreakerPosition::Closed { .. } => None,
            BreakerPosition::Open(rest) => rest.probe_began_at.is_none().then_some(rest.until),
        }
    }

    /// Returns a number that grows with each probe that fails.
    pub(super) fn failed_probes(&self) -> u32 {
        self.failed_probes
    }

    /// Returns true if a failure now would be the first since a success.
    pub(super) fn is_in_order(&self) -> bool {
        matches!(self.position, BreakerPosition::Closed { failures: 0 })
    }

    /// Returns true if the system has been down since a moment.
    pub(super) fn has_been_open_since(&self, then: Instant) -> bool {
        matches!(self.position, BreakerPosition::Open(_))
            || self.closed_at.is_some_and(|closed_at| closed_at >= then)
    }

    /// Returns true if the system has been down since a moment, or may be now: its last request
    /// failed.
    pub(super) fn may_have_been_open_since(&self, then: Instant) -> bool {
        !self.is_in_order() || self.has_been_open_since(then)
    }

    fn open(&mut self, asked: Option<Duration>, now: Instant) -> BreakerChange {
        self.position = BreakerPosition::Open(ProbeRest::of(self.timing.first_rest, asked, now));
        self.era += 1;
        BreakerChange::Opened
    }

    fn close(&mut self, now: Instant) -> BreakerChange {
        self.position = BreakerPosition::Closed { failures: 0 };
        self.era += 1;
        self.closed_at = Some(now);
        BreakerChange::Closed
    }
}

impl ProbeRest {
    fn of(length: Duration, asked: Option<Duration>, now: Instant) -> ProbeRest {
        let asked = asked.unwrap_or_default().min(MAX_ASKED_REST);
        ProbeRest {
            length,
            until: now + length.max(asked),
            probe_began_at: None,
        }
    }

    /// Returns the moment from which a probe is due; none while one is under way that is not lost.
    fn next(&self, now: Instant) -> Option<Instant> {
        match self.probe_began_at {
            None => Some(self.until),
            Some(began) => (began + PROBE_LOST_AFTER <= now).then_some(now),
        }
    }
}

impl HealthSign {
    /// Returns the sign of a failure. A response about the record is one of a system that is up. A
    /// 429 is no sign: what stands before the system may have sent it.
    pub(super) fn of(failure: &Failure) -> HealthSign {
        match failure.class {
            _ if failure.not_sent => HealthSign::None,
            _ if failure.no_tokens => HealthSign::NoTokens(failure.retry_after),
            FailureClass::Unreachable | FailureClass::Transient | FailureClass::Unauthorised => {
                HealthSign::Down(failure.retry_after)
            }
            // A database or a directory that is not ready has no status to say so by.
            FailureClass::Throttled if matches!(failure.status, None | Some(503)) => {
                HealthSign::Down(failure.retry_after)
            }
            FailureClass::Gone | FailureClass::Conflict | FailureClass::Invalid
                if failure.status.is_some() =>
            {
                HealthSign::Up
            }
            _ => HealthSign::None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DOWN: HealthSign = HealthSign::Down(None);

    /// A breaker, and a time of its own.
    struct Scene {
        state: BreakerState,
        now: Instant,
    }

    impl Scene {
        fn new() -> Scene {
            Scene {
                state: BreakerState::new(BreakerTiming::default()),
                now: Instant::now(),
            }
        }

        fn down() -> Scene {
            let mut scene = Scene::new();
            let changes: Vec<_> = (0..FAILURES_TO_OPEN).map(|_| scene.request(DOWN)).collect();
            assert_eq!(changes.last(), Some(&Some(BreakerChange::Opened)));
            scene
        }

        fn ask(&mut self) -> Result<RequestTicket, u64> {
            self.state.ask(self.now).map_err(|left| left.as_secs())
        }

        fn end(&mut self, ticket: RequestTicket, sign: HealthSign) -> Option<BreakerChange> {
            self.state.end(ticket, sign, self.now)
        }

        fn request(&mut self, sign: HealthSign) -> Option<BreakerChange> {
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
        for sign in [HealthSign::Up, HealthSign::None] {
            for _ in 1..FAILURES_TO_OPEN {
                assert_eq!(scene.request(DOWN), None);
            }
            assert_eq!(scene.request(sign), None);
        }
        assert_eq!(scene.request(DOWN), Some(BreakerChange::Opened));
    }

    #[test]
    fn one_failure_to_get_tokens_opens_it_and_the_next_ones_lengthen_its_rest() {
        let mut scene = Scene::new();
        let early = scene.ask().unwrap();
        assert_eq!(
            scene.request(HealthSign::NoTokens(None)),
            Some(BreakerChange::Opened)
        );
        assert_eq!(scene.end(early, HealthSign::NoTokens(None)), None);
        assert_eq!(scene.ask(), Err(1));
        scene.pass(1);
        assert_eq!(scene.request(HealthSign::NoTokens(None)), None);
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
        assert_eq!(scene.request(HealthSign::Up), Some(BreakerChange::Closed));
        assert!(!scene.ask().unwrap().is_probe);
        for _ in 1..FAILURES_TO_OPEN {
            assert_eq!(scene.request(DOWN), None);
        }
    }

    #[test]
    fn what_was_in_flight_when_it_opened_does_not_lengthen_the_rest() {
        let mut scene = Scene::new();
        let early = scene.ask().unwrap();
        for _ in 0..FAILURES_TO_OPEN {
            scene.request(DOWN);
        }
        assert_eq!(scene.end(early, DOWN), None);
        assert_eq!(scene.ask(), Err(1));
        scene.pass(1);
        let probe = scene.ask().unwrap();
        assert_eq!(scene.end(early, DOWN), None);
        assert!(scene.ask().is_err());
        assert_eq!(
            scene.end(probe, HealthSign::Up),
            Some(BreakerChange::Closed)
        );
        for _ in 0..FAILURES_TO_OPEN {
            assert_eq!(scene.end(early, DOWN), None);
        }
    }

    #[test]
    fn a_success_of_what_was_in_flight_when_it_opened_closes_it() {
        let mut scene = Scene::new();
        let early = scene.ask().unwrap();
        for _ in 0..FAILURES_TO_OPEN {
            scene.request(DOWN);
        }
        assert_eq!(
            scene.end(early, HealthSign::Up),
            Some(BreakerChange::Closed)
        );
    }

    #[test]
    fn a_probe_that_says_nothing_frees_its_place_and_lengthens_no_rest() {
        let mut scene = Scene::down();
        for _ in 0..3 {
            assert_eq!(scene.ask(), Err(1));
            scene.pass(1);
            assert_eq!(scene.request(HealthSign::None), None);
        }
    }

    #[test]
    fn a_probe_that_never_ends_is_followed_by_another() {
        let mut scene = Scene::down();
        scene.pass(1);
        let lost = scene.ask().unwrap();
        scene.pass(PROBE_LOST_AFTER.as_secs());
        let probe = scene.ask().unwrap();
        assert!(probe.is_probe);
        assert_eq!(scene.end(lost, DOWN), None);
        assert!(scene.ask().is_err());
        assert_eq!(
            scene.end(probe, HealthSign::Up),
            Some(BreakerChange::Closed)
        );
    }

    #[test]
    fn a_system_that_asks_to_be_left_alone_is_not_tried_before() {
        let mut scene = Scene::down();
        scene.pass(1);
        scene.request(HealthSign::Down(Some(Duration::from_secs(100))));
        assert_eq!(scene.ask(), Err(100));
        scene.pass(100);
        scene.request(HealthSign::Down(Some(Duration::from_secs(86_400))));
        assert_eq!(scene.ask(), Err(MAX_ASKED_REST.as_secs()));
    }

    #[test]
    fn it_is_known_whether_it_was_open_since_something_began() {
        let mut scene = Scene::new();
        let before = scene.now;
        assert!(!scene.state.may_have_been_open_since(before));
        scene = Scene {
            now: before,
            ..Scene::down()
        };
        assert!(scene.state.may_have_been_open_since(before));
        scene.pass(5);
        scene.request(HealthSign::Up);
        assert!(scene.state.may_have_been_open_since(before));
        assert!(
            !scene
                .state
                .may_have_been_open_since(scene.now + Duration::from_secs(1))
        );
    }

    #[test]
    fn after_a_failure_it_is_not_known_whether_the_system_is_down_until_something_succeeds() {
        let mut scene = Scene::new();
        scene.request(DOWN);
        assert!(scene.state.may_have_been_open_since(scene.now));
        assert!(!scene.state.has_been_open_since(scene.now));
        scene.request(HealthSign::Up);
        assert!(!scene.state.may_have_been_open_since(scene.now));
    }

    #[test]
    fn failures_of_the_system_are_told_from_those_of_a_record_and_from_our_own() {
        let sign = |class, status, not_sent| {
            HealthSign::of(&Failure {
                status,
                not_sent,
                ..Failure::new(class, "it failed".into())
            })
        };
        for (class, status) in [
            (FailureClass::Unreachable, None),
            (FailureClass::Transient, None),
            (FailureClass::Transient, Some(500)),
            (FailureClass::Unauthorised, Some(403)),
            (FailureClass::Throttled, Some(503)),
            (FailureClass::Throttled, None),
        ] {
            assert_eq!(sign(class, status, false), DOWN, "{class:?} {status:?}");
            assert_eq!(
                sign(class, status, true),
                HealthSign::None,
                "{class:?} {status:?}"
            );
        }
        for class in [
            FailureClass::Gone,
            FailureClass::Conflict,
            FailureClass::Invalid,
        ] {
            assert_eq!(sign(class, Some(422), false), HealthSign::Up, "{class:?}");
            assert_eq!(sign(class, None, false), HealthSign::None, "{class:?}");
        }
        assert_eq!(
            sign(FailureClass::Throttled, Some(429), false),
            HealthSign::None
        );
        for (not_sent, sign) in [
            (false, HealthSign::NoTokens(None)),
            (true, HealthSign::None),
        ] {
            let failure = Failure::new(FailureClass::Throttled, "no tokens".into());
            assert_eq!(
                HealthSign::of(&Failure {
                    no_tokens: true,
                    not_sent,
                    ..failure
                }),
                sign
            );
        }
    }
}
