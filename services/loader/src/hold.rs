//! Holding claimed keys for as long as they are worked on.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pomost_store::{Claim, ClaimResult, Store};
use tokio::time::{Instant, sleep};
use tracing::warn;

/// Claimed keys, and until when they are ours for certain.
///
/// Whoever stood still or could not reach the store for too long may have a successor by now, who knows nothing
/// of a request that is begun then: it would undo a newer one, or create a record twice.
pub(crate) struct Hold<'a> {
    store: &'a dyn Store,
    claim: &'a Claim,
    answers: &'a [ClaimResult],
    ttl: Duration,
    /// By our own clock, from before the store was asked.
    until: Mutex<Instant>,
}

impl<'a> Hold<'a> {
    /// Of the keys that a claim got, which was asked for at that moment.
    pub(crate) fn of(
        store: &'a dyn Store,
        claim: &'a Claim,
        answers: &'a [ClaimResult],
        ttl: Duration,
        asked: Instant,
    ) -> Hold<'a> {
        Hold {
            store,
            claim,
            answers,
            ttl,
            until: Mutex::new(asked + ttl),
        }
    }

    /// Whether all keys are certainly ours still.
    pub(crate) fn is_certain(&self) -> bool {
        Instant::now() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the claim for as long as it is polled, until it is lost. A renewal that fails is tried again at the
    /// next turn.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            sleep(self.ttl / 3).await;
            let asked = Instant::now();
            match self.store.renew_claim(&self.got(), self.ttl).await {
                Ok(true) => self.holds_until(asked + self.ttl),
                Ok(false) => {
                    self.holds_until(asked);
                    return std::future::pending().await;
                }
                Err(error) => warn!(%error, "a claim was not renewed"),
            }
        }
    }

    /// The claim with the keys that it got. Few are ever renewed, so it is not made before.
    fn got(&self) -> Claim {
        let got = self
            .claim
            .entries
            .iter()
            .zip(self.answers)
            .filter(|(_, answer)| answer.known().is_some());
        let Claim {
            flow,
            token,
            same_version_type: refuses_mixed,
            latest_only: newest_alone,
            in_flight_for: patience,
            ..
        } = self.claim;
        Claim {
            flow: flow.clone(),
            token: *token,
            entries: got.map(|(entry, _)| entry.clone()).collect(),
            same_version_type: *refuses_mixed,
            latest_only: *newest_alone,
            in_flight_for: *patience,
        }
    }

    fn holds_until(&self, moment: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }
}
