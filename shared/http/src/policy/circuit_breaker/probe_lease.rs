//! The lease on the probes of a system: one process has it at a time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use pomost_models::retry::renewal_interval;
use pomost_store::{Lease, LeaseName, Result, Store};
use tokio::runtime::Handle;
use tracing::warn;

use crate::Clock;

/// The lease on the probes of a system, until it is dropped.
pub(super) struct ProbeLease {
    store: Arc<dyn Store>,
    clock: Clock,
    lease: Lease,
    lifetime: Duration,
}

impl ProbeLease {
    /// Takes the lease, if no other process has it. It ends by itself `lifetime` after its last
    /// renewal.
    pub(super) async fn acquire(
        store: &Arc<dyn Store>,
        system: &str,
        holder: &str,
        lifetime: Duration,
        clock: &Clock,
    ) -> Result<Option<ProbeLease>> {
        let lease = store
            .acquire_lease(LeaseName::Probe(system.to_owned()), holder, lifetime)
            .await?;
        Ok(lease.map(|lease| ProbeLease {
            store: store.clone(),
            clock: clock.clone(),
            lease,
            lifetime,
        }))
    }

    /// Keeps the lease while a probe lasts, which may wait for its turn and take its time.
    pub(super) async fn keep_during<T>(&self, probe: impl Future<Output = T>) -> T {
        tokio::select! {
            outcome = probe => outcome,
            never = self.keep() => match never {},
        }
    }

    async fn keep(&self) -> Infallible {
        loop {
            self.clock.sleep(renewal_interval(self.lifetime)).await;
            if let Err(error) = self.store.renew_lease(&self.lease, self.lifetime).await {
                warn!(%error, "another replica may try the system as well");
            }
        }
    }
}

/// Releases the lease at once, so that other processes need not wait for its end. Without a runtime
/// the process is at its own end.
impl Drop for ProbeLease {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (store, lease) = (self.store.clone(), self.lease.clone());
        runtime.spawn(async move {
            if let Err(error) = store.release_lease(&lease).await {
                warn!(%error, "the lease on a system's probes ends by itself");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use pomost_store::sqlite::SqliteStore;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_probe_that_takes_longer_than_the_lease_lasts_keeps_it() {
        // The store measures leases by its own clock.
        let lifetime = Duration::from_millis(600);
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(
            SqliteStore::open(&directory.path().join("state.db"))
                .await
                .unwrap(),
        );
        let acquired = async |holder| {
            ProbeLease::acquire(&store, "shop", holder, lifetime, &Clock::Real)
                .await
                .unwrap()
        };
        let lease = acquired("one").await.unwrap();
        let asked_by_another = async {
            let began = Instant::now();
            while began.elapsed() < lifetime * 2 {
                assert!(acquired("another").await.is_none());
            }
        };
        lease.keep_during(asked_by_another).await;
    }
}
