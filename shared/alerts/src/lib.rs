//! Alerts: each is posted once when its condition begins, and once when it ends.
//!
//! [`conditions`] works out from the store, every few seconds and in one process for all, what
//! people have to know. That is compared with the alerts that stand. A difference is posted and
//! then recorded: a crash in between posts it twice, and what lasts is always posted. A condition
//! that begins and ends between two checks is not noticed.

mod conditions;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff};
use pomost_http::AlertHook;
use pomost_runtime::{ServiceContext, backoff::growing_pauses};
use pomost_store::{LeaseName, Result};
use tokio::time::{Instant, sleep};
use tracing::warn;

use conditions::AlertConditions;

/// Pause between two checks of the store.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

const LEASE_TTL: Duration = Duration::from_secs(30);

/// Pauses after the hook did not accept a message, and after the store could not be read.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Alerts people as the project says, until shutdown. A message that the hook does not accept is
/// tried again later, and holds up no other.
pub async fn run(context: ServiceContext, hook: AlertHook) {
    let Some(rules) = &context.project.alerts else {
        return;
    };
    let sender = AlertSender {
        context: &context,
        hook,
        conditions: AlertConditions::new(&context, rules),
        refused: BTreeMap::new(),
    };
    context.shutdown.run_until_cancelled(sender.run()).await;
}

struct AlertSender<'a> {
    context: &'a ServiceContext,
    hook: AlertHook,
    conditions: AlertConditions<'a>,
    /// The messages that the hook did not accept, by subject. They wait while others are sent.
    refused: BTreeMap<String, RefusedMessage>,
}

struct RefusedMessage {
    pauses: ExponentialBackoff,
    retry_at: Instant,
}

/// A difference between a current condition and the announced alert of a subject.
enum AlertChange<'a> {
    Begun(&'a str),
    Over(&'a str),
}

impl AlertSender<'_> {
    async fn run(mut self) -> Infallible {
        let mut pauses = new_pauses();
        loop {
            let pause = match self.check().await {
                Ok(()) => {
                    pauses = new_pauses();
                    CHECK_INTERVAL
                }
                Err(error) => {
                    warn!(%error, "people are not told what they have to know; trying again");
                    pauses.next().unwrap_or(LONGEST_PAUSE)
                }
            };
            sleep(pause).await;
        }
    }

    /// Checks the store once and sends what changed, unless another process has the lease.
    async fn check(&mut self) -> Result<()> {
        let store = self.context.store();
        let Some(lease) = store
            .acquire_lease(LeaseName::Alerts, self.context.holder(), LEASE_TTL)
            .await?
        else {
            return Ok(());
        };
        let standing: BTreeMap<String, String> = store
            .alerts()
            .await?
            .into_iter()
            .map(|alert| (alert.subject, alert.text))
            .collect();
        let current = self.conditions.current(&standing).await?;
        let changes = changes(&current, &standing);
        self.refused
            .retain(|subject, _| changes.contains_key(subject.as_str()));
        for (subject, change) in changes {
            // The hook may take as long to answer as its time-out allows, and a lost lease ends the
            // check.
            store.renew_lease(&lease, LEASE_TTL).await?;
            self.send(subject, change).await?;
        }
        Ok(())
    }

    async fn send(&mut self, subject: &str, change: AlertChange<'_>) -> Result<()> {
        if self
            .refused
            .get(subject)
            .is_some_and(|refused| refused.retry_at > Instant::now())
        {
            return Ok(());
        }
        if let Err(error) = self.hook.post(&change.text()).await {
            warn!(%error, subject, "people are not told what they have to know; trying again");
            self.note_refusal(subject);
            return Ok(());
        }
        self.refused.remove(subject);
        match change {
            AlertChange::Begun(text) => self.context.store().raise_alert(subject, text).await,
            AlertChange::Over(_) => self.context.store().clear_alert(subject).await,
        }
    }

    fn note_refusal(&mut self, subject: &str) {
        let now = Instant::now();
        let refused = self.refused.entry(subject.to_owned());
        let refused = refused.or_insert_with(|| RefusedMessage {
            pauses: new_pauses(),
            retry_at: now,
        });
        refused.retry_at = now + refused.pauses.next().unwrap_or(LONGEST_PAUSE);
    }
}

impl AlertChange<'_> {
    fn text(&self) -> String {
        match self {
            AlertChange::Begun(text) => (*text).to_owned(),
            AlertChange::Over(text) => format!("Over: {text}"),
        }
    }
}

/// The differences between the current conditions and the standing alerts, by subject.
fn changes<'a>(
    current: &'a BTreeMap<String, String>,
    standing: &'a BTreeMap<String, String>,
) -> BTreeMap<&'a str, AlertChange<'a>> {
    let begun = current
        .iter()
        .filter(|(subject, _)| !standing.contains_key(*subject))
        .map(|(subject, text)| (subject.as_str(), AlertChange::Begun(text)));
    let over = standing
        .iter()
        .filter(|(subject, _)| !current.contains_key(*subject))
        .map(|(subject, text)| (subject.as_str(), AlertChange::Over(text)));
    begun.chain(over).collect()
}

fn new_pauses() -> ExponentialBackoff {
    growing_pauses(FIRST_PAUSE, LONGEST_PAUSE)
        .with_jitter()
        .build()
}
