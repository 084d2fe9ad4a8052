//! Keeps claimed keys for as long as their records are worked on.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pomost_models::retry::renewal_interval;
use pomost_store::{Claim, Store};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::ClaimedRecord;

/// The claimed keys of a batch, and the moment until which they are certainly ours.
///
/// A worker that stood still or could not reach the store for too long may have a successor, who
/// knows nothing of a request that is begun then: it would undo a newer one, or create a record
/// twice.
pub(crate) struct ClaimGuard<'a> {
    store: &'a dyn Store,
    /// The claim without its entries, which are with the records.
    claim: &'a Claim,
    records: &'a [ClaimedRecord],
    ttl: Duration,
    /// By this process's own clock, counted from before the store was asked.
    certain_until: Mutex<Instant>,
}

impl<'a> ClaimGuard<'a> {
    /// Guards the keys of a claim that was sent to the store at `claimed_at`.
    pub(crate) fn new(
        store: &'a dyn Store,
        claim: &'a Claim,
        records: &'a [ClaimedRecord],
        ttl: Duration,
        claimed_at: Instant,
    ) -> ClaimGuard<'a> {
        ClaimGuard {
            store,
            claim,
            records,
            ttl,
            certain_until: Mutex::new(claimed_at + ttl),
        }
    }

    /// True while all claimed keys are certainly still ours.
    pub(crate) fn is_certain(&self) -> bool {
        Instant::now()
            < *self
                .certain_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the claim for as long as it is polled, until the claim is lost. A renewal that fails
    /// is tried again after the same interval.
    pub(crate) async fn keep_renewing(&self) -> Infallible {
        loop {
            sleep(renewal_interval(self.ttl)).await;
            // The store may have renewed the claim at any moment since it was asked.
            let asked_at = Instant::now();
            match self.store.renew_claim(&self.held_claim(), self.ttl).await {
                Ok(true) => self.set_certain_until(asked_at + self.ttl),
                Ok(false) => {
                    // Some keys are another worker's: no further request is begun for any of them.
                    self.set_certain_until(asked_at);
                    return std::future::pending().await;
                }
                Err(error) => warn!(%error, "a claim was not renewed"),
            }
        }
    }

    /// The claim with the keys that it got. It is made for each renewal, since few batches take
    /// long enough for one.
    fn held_claim(&self) -> Claim {
        let held = self.records.iter().filter(|claimed| claimed.holds_key());
        Claim {
            entries: held.map(|claimed| claimed.entry.clone()).collect(),
            ..self.claim.clone()
        }
    }

    fn set_certain_until(&self, moment: Instant) {
        *self
            .certain_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = moment;
    }
}
