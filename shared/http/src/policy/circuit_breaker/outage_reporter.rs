//! Reporting to the store if a system is down.

use std::{sync::Arc, time::Duration};

use pomost_store::{Outage, Store};
use tokio::sync::watch;
use tracing::warn;

use super::SystemHealth;
use crate::Clock;

/// The time until a store that was away is told again.
const REPORT_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Reports the health of one system.
pub(super) struct OutageReporter {
    pub(super) system: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
}

impl OutageReporter {
    /// Reports until the breaker is gone: with the first response that the system is not down,
    /// since the process that reported an outage may have died, and from then on each change and
    /// each probe that fails. That a probe begins is no news: another process may have found
    /// meanwhile that the system is up. If the store is unavailable, the report is sent later.
    pub(super) async fn report(self, mut health: watch::Receiver<SystemHealth>) {
        let mut reported = None;
        while health.changed().await.is_ok() {
            let seen = health.borrow_and_update().clone();
            let news = match &seen {
                SystemHealth::Down { failed_probes, .. } => Some(*failed_probes),
                SystemHealth::Unknown | SystemHealth::Up => None,
            };
            if reported == Some(news) {
                continue;
            }
            match self.tell_store(&seen).await {
                Ok(()) => reported = Some(news),
                Err(error) => {
                    warn!(system = self.system, %error, "others do not know yet whether the system is down");
                    health.mark_changed();
                    self.clock.sleep(REPORT_RETRY_DELAY).await;
                }
            }
        }
    }

    async fn tell_store(&self, health: &SystemHealth) -> pomost_store::Result<()> {
        let Self { system, store, .. } = self;
        match health {
            SystemHealth::Unknown => Ok(()),
            SystemHealth::Up => store.end_outage(system).await,
            SystemHealth::Down { class, reason, .. } => {
                store
                    .begin_outage(system, class.as_str(), reason, Outage::FORGOTTEN_AFTER)
                    .await
            }
        }
    }
}
