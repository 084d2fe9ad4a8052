//! Keeping requests from a system that is down, and telling those who are to know.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pomost_store::{Outage, Store};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    Failure, FailureClass,
    breaker::{Breaker, Change, Sign, Ticket},
    metrics,
    probe::Right,
};

/// How long the right to try a system outlives a process that has it.
const OUTLIVES: Duration = Duration::from_secs(30);

/// How long the store is left alone that did not take what it was told.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Stands before a system. While that is down, requests are turned away, but for one at a time that tries.
pub(crate) struct Guard {
    system: String,
    store: Arc<dyn Store>,
    /// Names this process among those that try.
    holder: String,
    breaker: Mutex<Breaker>,
    standing: watch::Sender<Standing>,
}

/// What is known of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nothing yet.
    Unknown,
    /// It has answered.
    Up,
    /// It is down, because of what failed last; the next one may try it then. The number tells one failure of a probe
    /// from the next.
    Down {
        class: FailureClass,
        reason: String,
        next_probe: Option<Instant>,
        failed_probes: u32,
    },
}

impl Guard {
    /// That of a system, of which the store is told.
    pub(crate) fn new(system: &str, store: Arc<dyn Store>) -> Guard {
        metrics::set_up(system, true);
        let (standing, seen) = watch::channel(Standing::Unknown);
        tokio::spawn(tell(store.clone(), system.to_owned(), seen));
        Guard {
            system: system.to_owned(),
            store,
            holder: Uuid::new_v4().to_string(),
            breaker: Mutex::new(Breaker::new()),
            standing,
        }
    }

    /// Makes a request, or turns it away: then nothing was asked of the system. `place` is what failures
    /// begin with.
    pub(crate) async fn pass<T>(
        &self,
        place: impl Fn() -> String,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let turned_away = |left| self.turned_away(&place(), left);
        let ticket = self
            .breaker()
            .ask(Instant::now())
            .map_err(|left| turned_away(Some(left)))?;
        let trial = Trial::begin(self, ticket);
        let outcome = match ticket.is_probe {
            true => self
                .alone(request)
                .await
                .unwrap_or_else(|| Err(turned_away(None))),
            false => request.await,
        };
        let is_first = trial.end(&outcome);
        outcome.map_err(|failure| Failure {
            is_first,
            ..failure
        })
    }

    /// Whether the system has been down since then.
    pub(crate) fn has_been_down_since(&self, then: Instant) -> bool {
        self.breaker().has_been_open_since(then)
    }

    /// Whether the system has been down since then, or may be now.
    pub(crate) fn may_have_been_down_since(&self, then: Instant) -> bool {
        self.breaker().may_have_been_open_since(then)
    }

    /// Whether the system is down.
    pub(crate) fn is_down(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Down { .. })
    }

    /// Waits until the system is down, or is not.
    pub(crate) async fn until(&self, down: bool) {
        let is_so = |standing: &Standing| matches!(standing, Standing::Down { .. }) == down;
        // The other end is held here.
        let _ = self.standing.subscribe().wait_for(is_so).await;
    }

    /// Waits until a request would be made: the system is up, or it is time to try.
    pub(crate) async fn ready(&self) {
        let mut standing = self.standing.subscribe();
        loop {
            let seen = standing.borrow_and_update().clone();
            let Standing::Down { next_probe, .. } = seen else {
                return;
            };
            let due = async {
                match next_probe {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                _ = standing.changed() => {}
            }
        }
    }

    /// Does it while no other replica does; nothing where one is at it. A store that is away lets all try.
    async fn alone<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        match Right::take(&self.store, &self.system, &self.holder, OUTLIVES).await {
            Ok(Some(right)) => Some(right.during(request).await),
            Ok(None) => None,
            Err(_) => Some(request.await),
        }
    }

    fn turned_away(&self, place: &str, left: Option<Duration>) -> Failure {
        metrics::count_turned_away(&self.system);
        let message = format!("{place}: the system is down; it is tried again by itself");
        Failure {
            retry_after: left,
            ..Failure::unasked(FailureClass::Throttled, message)
        }
    }

    /// Learns how a request ended. Whether it was the first to fail since something succeeded.
    fn learn(&self, ticket: Ticket, sign: Sign, failure: Option<&Failure>) -> bool {
        let mut breaker = self.breaker();
        let (was_in_order, failed_probes) = (breaker.is_in_order(), breaker.failed_probes());
        let change = breaker.end(ticket, sign, Instant::now());
        if change == Some(Change::Closed) {
            info!(system = self.system, "the system is up again");
        }
        let has_failed = change == Some(Change::Opened) || breaker.failed_probes() != failed_probes;
        if let Some(failure) = failure.filter(|_| has_failed) {
            self.is_down_by(failure, breaker.failed_probes());
        }
        self.show(&breaker, sign == Sign::Up);
        was_in_order && !breaker.is_in_order()
    }

    /// The failure of a probe may be another one than that with which the system went down: then that is what is to
    /// be mended now.
    fn is_down_by(&self, failure: &Failure, failed_probes: u32) {
        let (now, reason) = (failure.class, failure.message.clone());
        let is_known =
            matches!(*self.standing.borrow(), Standing::Down { class, .. } if class == now);
        if !is_known {
            error!(
                system = self.system,
                class = now.as_str(),
                reason,
                "the system is down; its flows wait"
            );
        }
        metrics::set_up(&self.system, false);
        self.standing.send_replace(Standing::Down {
            class: now,
            reason,
            next_probe: None,
            failed_probes,
        });
    }

    fn show(&self, breaker: &Breaker, is_up: bool) {
        self.standing.send_if_modified(|standing| match standing {
            Standing::Up => false,
            _ if is_up => {
                metrics::set_up(&self.system, true);
                *standing = Standing::Up;
                true
            }
            Standing::Unknown => false,
            Standing::Down {
                next_probe,
                failed_probes,
                ..
            } => {
                (*next_probe, *failed_probes) = (breaker.next_probe(), breaker.failed_probes());
                true
            }
        });
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. One that is dropped before its end says nothing.
struct Trial<'a> {
    guard: &'a Guard,
    ticket: Option<Ticket>,
}

impl<'a> Trial<'a> {
    fn begin(guard: &'a Guard, ticket: Ticket) -> Trial<'a> {
        if ticket.is_probe {
            guard.show(&guard.breaker(), false);
        }
        Trial {
            guard,
            ticket: Some(ticket),
        }
    }

    fn end<T>(mut self, outcome: &Result<T, Failure>) -> bool {
        let ticket = self.ticket.take();
        ticket.is_some_and(|ticket| {
            self.guard
                .learn(ticket, Sign::of(outcome), outcome.as_ref().err())
        })
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.guard.learn(ticket, Sign::None, None);
        }
    }
}

/// Tells the store what is known of a system, until its guard is gone: with the first answer that it is not
/// down, since whoever said so may have died, and from then on each change and each probe that fails. That
/// a probe begins is no news: another process may have found meanwhile that the system is up. A store
/// that is away is told later.
async fn tell(store: Arc<dyn Store>, system: String, mut standing: watch::Receiver<Standing>) {
    let mut told = None;
    while standing.changed().await.is_ok() {
        let known = standing.borrow_and_update().clone();
        let news = match &known {
            Standing::Down { failed_probes, .. } => Some(*failed_probes),
            Standing::Unknown | Standing::Up => None,
        };
        if told == Some(news) {
            continue;
        }
        let telling = match &known {
            Standing::Unknown => Ok(()),
            Standing::Up => store.end_outage(&system).await,
            Standing::Down { class, reason, .. } => {
                store
                    .begin_outage(&system, class.as_str(), reason, Outage::FORGOTTEN_AFTER)
                    .await
            }
        };
        match telling {
            Ok(()) => told = Some(news),
            Err(error) => {
                warn!(system, %error, "others do not know yet whether the system is down");
                standing.mark_changed();
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}
