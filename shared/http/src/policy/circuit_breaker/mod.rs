//! The circuit breaker of a system: keeps requests from a system that is down, lets one probe at a
//! time through, and has the outage reported to the store.

mod breaker_state;
mod outage_reporter;
mod probe_lease;
mod probe_suspects;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pomost_models::Batch;
use pomost_store::Store;
use tokio::{sync::watch, time::Instant};
use tracing::{error, info};
use uuid::Uuid;

use crate::{AttemptCharging, Clock, Failure, FailureClass, metrics};
use breaker_state::{BreakerChange, BreakerState, HealthSign, RequestTicket};
use outage_reporter::OutageReporter;
use probe_lease::ProbeLease;
use probe_suspects::ProbeSuspects;

/// The time by which the lease on probes outlives a process that has it.
const PROBE_LEASE_LIFETIME: Duration = Duration::from_secs(30);

/// The delay, after the next probe is due, of a record whose probe failed.
const FAILED_PROBE_DELAY: Duration = Duration::from_secs(1);

/// The pace at which a system is tried that is down.
#[derive(Debug, Clone, Copy)]
pub struct BreakerTiming {
    /// The time without requests after a system is seen to be down. It doubles with each probe that
    /// fails.
    pub first_rest: Duration,
    pub longest_rest: Duration,
    /// The time after which a failed probe counts towards the attempts of its record: the same
    /// request has failed as a probe for so long without any success of the system between, so the
    /// record may be at fault. It begins anew then.
    pub charge_after: Duration,
}

impl Default for BreakerTiming {
    fn default() -> BreakerTiming {
        BreakerTiming {
            first_rest: Duration::from_secs(1),
            longest_rest: Duration::from_secs(30),
            charge_after: Duration::from_secs(12 * 3600),
        }
    }
}

/// Stands before a system, a database or a directory. While that is down, requests are turned away,
/// but for one probe at a time.
pub struct CircuitBreaker {
    system: String,
    store: Arc<dyn Store>,
    clock: Clock,
    /// The name of this process as a holder of the lease on probes.
    holder: String,
    judgement: Mutex<BreakerJudgement>,
    health: watch::Sender<SystemHealth>,
}

/// The state machine, and the requests that may be at fault themselves.
struct BreakerJudgement {
    state: BreakerState,
    suspects: ProbeSuspects,
}

/// The knowledge of this process about a system.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SystemHealth {
    /// No request has ended yet.
    Unknown,
    /// The system has answered.
    Up,
    /// The system is down, because of the latest failure.
    Down {
        class: FailureClass,
        reason: String,
        next_probe: Option<Instant>,
        /// Tells one failed probe from the next.
        failed_probes: u32,
    },
}

impl CircuitBreaker {
    /// Makes the breaker of a system. Outages are reported to the store.
    pub fn new(
        system: &str,
        store: &Arc<dyn Store>,
        clock: &Clock,
        timing: BreakerTiming,
    ) -> CircuitBreaker {
        metrics::set_up(system, true);
        let (health, seen) = watch::channel(SystemHealth::Unknown);
        let reporter = OutageReporter {
            system: system.to_owned(),
            store: store.clone(),
            clock: clock.clone(),
        };
        tokio::spawn(reporter.report(seen));
        let judgement = BreakerJudgement {
            state: BreakerState::new(timing),
            suspects: ProbeSuspects::new(timing.charge_after),
        };
        CircuitBreaker {
            system: system.to_owned(),
            store: store.clone(),
            clock: clock.clone(),
            holder: Uuid::new_v4().to_string(),
            judgement: Mutex::new(judgement),
            health,
        }
    }

    /// Makes a request, or turns it away without sending it. Failures begin with `place`. Requests
    /// that say the same have one `fingerprint`, none where they cannot be told apart; without one
    /// no record is suspected of bringing the system down.
    pub async fn admit<T>(
        &self,
        place: impl Fn() -> String,
        fingerprint: impl Fn() -> Option<u64>,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let turned_away = |left| self.turned_away(&place(), left);
        let ticket = self
            .judgement()
            .state
            .ask(self.clock.now())
            .map_err(|left| turned_away(Some(left)))?;
        let observed = ObservedRequest::begin(self, ticket);
        let outcome = match ticket.is_probe {
            true => self
                .with_lease(request)
                .await
                .unwrap_or_else(|| Err(turned_away(None))),
            false => request.await,
        };
        match outcome {
            Ok(response) => {
                observed.end(HealthSign::Up, None);
                Ok(response)
            }
            Err(failure) if ticket.is_probe => {
                let counts = self.is_suspected(&failure, fingerprint());
                let failed = observed.failed(failure);
                Err(match counts {
                    true => Failure {
                        is_of_suspect: true,
                        ..failed
                    },
                    false => self.delay_past_next_probe(failed),
                })
            }
            Err(failure) => Err(observed.failed(failure)),
        }
    }

    /// Says which failures of a batch count towards its attempts, if its requests began at a
    /// moment. Records that fail only when they are retried may be the reason why the system goes
    /// down, so the first try alone is free while the system may be down.
    pub fn attempt_charging(
        &self,
        batch: &Batch,
        began: Instant,
        was_down: bool,
    ) -> AttemptCharging {
        let is_first_try = batch.attempt == 0 && batch.waits == 0;
        if was_down || (is_first_try && self.may_have_been_down_since(began)) {
            AttemptCharging::NoFailure
        } else if self.has_been_down_since(began) {
            AttemptCharging::FirstFailure
        } else {
            AttemptCharging::EveryFailure
        }
    }

    /// Returns true if the system has been down since a moment.
    pub fn has_been_down_since(&self, then: Instant) -> bool {
        self.judgement().state.has_been_open_since(then)
    }

    /// Returns true if the system has been down since a moment, or may be now.
    pub fn may_have_been_down_since(&self, then: Instant) -> bool {
        self.judgement().state.may_have_been_open_since(then)
    }

    /// Returns true while the system is down.
    pub fn is_down(&self) -> bool {
        matches!(*self.health.borrow(), SystemHealth::Down { .. })
    }

    /// Waits until the system is down, or until it is up.
    pub async fn until_down(&self, down: bool) {
        let is_so = |health: &SystemHealth| matches!(health, SystemHealth::Down { .. }) == down;
        // The sender is held here, so this ends only when it is so.
        let _ = self.health.subscribe().wait_for(is_so).await;
    }

    /// Waits until a request would be sent: the system is up, or a probe is due.
    pub async fn until_ready(&self) {
        let mut health = self.health.subscribe();
        loop {
            let seen = health.borrow_and_update().clone();
            let SystemHealth::Down { next_probe, .. } = seen else {
                return;
            };
            let due = async {
                match next_probe {
                    Some(next) => self.clock.sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                _ = health.changed() => {}
            }
        }
    }

    /// Makes a probe while no other replica makes one; nothing where one does. A store that is away
    /// lets all try.
    async fn with_lease<T>(&self, probe: impl Future<Output = T>) -> Option<T> {
        let lease = ProbeLease::acquire(
            &self.store,
            &self.system,
            &self.holder,
            PROBE_LEASE_LIFETIME,
            &self.clock,
        );
        match lease.await {
            Ok(Some(lease)) => Some(lease.keep_during(probe).await),
            Ok(None) => None,
            Err(_) => Some(probe.await),
        }
    }

    fn turned_away(&self, place: &str, left: Option<Duration>) -> Failure {
        metrics::count_turned_away(&self.system);
        let message = format!("{place}: the system is down; it is tried again by itself");
        Failure {
            retry_after: left,
            ..Failure::not_sent(FailureClass::Throttled, message)
        }
    }

    /// Notes a failed probe, if the record may be at fault. Returns true if the same request has
    /// failed for too long.
    fn is_suspected(&self, failure: &Failure, fingerprint: Option<u64>) -> bool {
        let Some(fingerprint) = fingerprint else {
            return false;
        };
        let may_be_of_record = failure.class == FailureClass::Transient && !failure.not_sent;
        let now = self.clock.now();
        may_be_of_record && self.judgement().suspects.has_failed(fingerprint, now)
    }

    /// Has a record whose probe failed come again a second after the next probe is due, so that
    /// another one makes that. If it came first each time, nothing would be learnt about the
    /// others.
    fn delay_past_next_probe(&self, failure: Failure) -> Failure {
        let due = self.judgement().state.next_probe();
        let left = due.map(|due| due.saturating_duration_since(self.clock.now()));
        let behind = left
            .filter(|_| !failure.not_sent)
            .map(|left| left + FAILED_PROBE_DELAY);
        Failure {
            retry_after: failure.retry_after.max(behind),
            ..failure
        }
    }

    /// Learns how a request ended. Returns true if it was the first to fail since a success.
    fn learn(&self, ticket: RequestTicket, sign: HealthSign, failure: Option<&Failure>) -> bool {
        let mut judgement = self.judgement();
        let BreakerJudgement { state, suspects } = &mut *judgement;
        let (was_in_order, failed_probes) = (state.is_in_order(), state.failed_probes());
        let change = state.end(ticket, sign, self.clock.now());
        if change == Some(BreakerChange::Closed) {
            info!(system = self.system, "the system is up again");
            suspects.clear();
        }
        let has_failed =
            change == Some(BreakerChange::Opened) || state.failed_probes() != failed_probes;
        if let Some(failure) = failure.filter(|_| has_failed) {
            self.show_down(failure, state.failed_probes());
        }
        self.show(state, sign == HealthSign::Up);
        was_in_order && !state.is_in_order()
    }

    /// Shows that the system is down. The failure of a probe may be of another class than the one
    /// that opened the breaker: then that is what is to be mended now, so it is logged again.
    fn show_down(&self, failure: &Failure, failed_probes: u32) {
        let (now, reason) = (failure.class, failure.message.clone());
        let is_known =
            matches!(*self.health.borrow(), SystemHealth::Down { class, .. } if class == now);
        if !is_known {
            error!(
                system = self.system,
                class = now.as_str(),
                reason,
                "the system is down; its flows wait"
            );
        }
        metrics::set_up(&self.system, false);
        self.health.send_replace(SystemHealth::Down {
            class: now,
            reason,
            next_probe: None,
            failed_probes,
        });
    }

    fn show(&self, state: &BreakerState, is_up: bool) {
        self.health.send_if_modified(|health| match health {
            SystemHealth::Up => false,
            _ if is_up => {
                metrics::set_up(&self.system, true);
                *health = SystemHealth::Up;
                true
            }
            SystemHealth::Unknown => false,
            SystemHealth::Down {
                next_probe,
                failed_probes,
                ..
            } => {
                (*next_probe, *failed_probes) = (state.next_probe(), state.failed_probes());
                true
            }
        });
    }

    fn judgement(&self) -> MutexGuard<'_, BreakerJudgement> {
        self.judgement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. One that is dropped before its end says nothing about the system.
struct ObservedRequest<'a> {
    breaker: &'a CircuitBreaker,
    ticket: Option<RequestTicket>,
}

impl<'a> ObservedRequest<'a> {
    fn begin(breaker: &'a CircuitBreaker, ticket: RequestTicket) -> ObservedRequest<'a> {
        if ticket.is_probe {
            breaker.show(&breaker.judgement().state, false);
        }
        ObservedRequest {
            breaker,
            ticket: Some(ticket),
        }
    }

    fn failed(self, failure: Failure) -> Failure {
        let is_first = self.end(HealthSign::of(&failure), Some(&failure));
        Failure {
            is_first,
            ..failure
        }
    }

    fn end(mut self, sign: HealthSign, failure: Option<&Failure>) -> bool {
        let ticket = self.ticket.take();
        ticket.is_some_and(|ticket| self.breaker.learn(ticket, sign, failure))
    }
}

impl Drop for ObservedRequest<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.learn(ticket, HealthSign::None, None);
        }
    }
}
