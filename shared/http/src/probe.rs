//! The right to try a system that is down: one process has it at a time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use pomost_store::{Lease, LeaseName, Result, Store};
use tokio::{runtime::Handle, time::sleep};
use tracing::warn;

/// The right to try a system, until it is dropped.
pub(crate) struct Right {
    store: Arc<dyn Store>,
    lease: Lease,
    outlives: Duration,
}

impl Right {
    /// Takes it, if no other process has it. It outlives a process that has it by so long.
    pub(crate) async fn take(
        store: &Arc<dyn Store>,
        system: &str,
        holder: &str,
        outlives: Duration,
    ) -> Result<Option<Right>> {
        let lease = store
            .acquire_lease(LeaseName::Probe(system.to_owned()), holder, outlives)
            .await?;
        Ok(lease.map(|lease| Right {
            store: store.clone(),
            lease,
            outlives,
        }))
    }

    /// Keeps it while the request lasts, which may wait for its turn and take its time.
    pub(crate) async fn during<T>(&self, request: impl Future<Output = T>) -> T {
        tokio::select! {
            outcome = request => outcome,
            never = self.keep() => match never {},
        }
    }

    async fn keep(&self) -> Infallible {
        loop {
            sleep(self.outlives / 3).await;
            if let Err(error) = self.store.renew_lease(&self.lease, self.outlives).await {
                warn!(%error, "another replica may try the system as well");
            }
        }
    }
}

/// Whoever is waiting need not wait for its end. Without a runtime the process is at its own.
impl Drop for Right {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (store, lease) = (self.store.clone(), self.lease.clone());
        runtime.spawn(async move {
            if let Err(error) = store.release_lease(&lease).await {
                warn!(%error, "the right to try a system ends by itself");
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
    async fn a_request_that_takes_longer_than_the_right_lasts_keeps_it() {
        let outlives = Duration::from_secs(1);
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(
            SqliteStore::open(&directory.path().join("state.db"))
                .await
                .unwrap(),
        );
        let taken = async |holder| Right::take(&store, "shop", holder, outlives).await.unwrap();
        let right = taken("one").await.unwrap();
        let asked_by_another = async {
            let began = Instant::now();
            while began.elapsed() < outlives * 3 {
                assert!(taken("another").await.is_none());
            }
        };
        right.during(asked_by_another).await;
    }
}
