//! Applies the changes of a key in the order of their versions, where a flow applies every change.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use pomost_broker::{Queue, Route};
use pomost_models::{Batch, Record, Stage};
use pomost_project::{Flow, flow::ChangeOrder};
use pomost_runtime::{ServiceContext, outbox, worker::HandlerError};
use pomost_store::{ClaimToken, Error, ParkedClaim};
use tokio::{sync::Notify, time::timeout};
use tracing::warn;

use crate::{claims::attempt_fingerprint, settlement::Settlement};

/// The interval at which all parked records are looked through. The change that a record waits for
/// may have settled while the record was being parked, or a person discarded it.
const RELEASE_INTERVAL: Duration = Duration::from_secs(5);

/// The same interval where the flow applies only the latest change: then only a process that still
/// has an older file of the flow parks records.
const LONGEST_RELEASE_INTERVAL: Duration = Duration::from_secs(60);

/// The time for which a change is waited for that may never have been published. Publishing is
/// given up long before.
const UNCONFIRMED_CHANGE_TTL: Duration = Duration::from_secs(600);

/// The time for which taken records stay this process's own: longer than publishing may take.
const PARKED_CLAIM_TTL: Duration = Duration::from_secs(300);

/// The number of parked records that are taken at a time.
const MAX_TAKEN: u32 = 100;

/// Keeps the changes of each key of a flow in order.
///
/// Where the flow applies only the latest change, every record goes on at once. Where it applies
/// every change, only the earliest one of a key that has not settled goes on: the others are parked
/// in the store, so that they hold up no other key, and are published again when the earlier ones
/// have settled.
pub struct ChangeOrdering {
    context: ServiceContext,
    flow: Arc<Flow>,
    /// Identifies this process among those that take parked records.
    taker: ClaimToken,
    /// The keys of which changes have settled since their parked records were last taken.
    settled_keys: Mutex<HashSet<String>>,
    has_settled: Notify,
}

impl ChangeOrdering {
    /// Makes the ordering of a flow's changes, which all its workers in this process share.
    pub fn new(context: ServiceContext, flow: Arc<Flow>) -> ChangeOrdering {
        ChangeOrdering {
            context,
            flow,
            taker: ClaimToken::generate(),
            settled_keys: Mutex::default(),
            has_settled: Notify::new(),
        }
    }

    /// Parks the records of a batch that have to wait for an earlier change, and returns the
    /// others. Records that died before and are read again are among the others: a claim finds them
    /// dead.
    pub(crate) async fn park_blocked(
        &self,
        batch: &Batch,
        records: Vec<Record>,
    ) -> Result<Vec<Record>, Error> {
        if self.flow.load.order == ChangeOrder::Latest {
            return Ok(records);
        }
        let batch = batch.with_records(records);
        let fingerprints: Vec<_> = batch
            .records
            .iter()
            .map(|record| attempt_fingerprint(&self.flow, &batch, record))
            .collect();
        let is_blocked = self
            .context
            .store()
            .are_blocked(&batch, &fingerprints)
            .await?;
        let (mut ready, mut parked) = (
            Vec::with_capacity(is_blocked.len()),
            batch.with_records(Vec::new()),
        );
        for (record, is_blocked) in batch.records.into_iter().zip(is_blocked) {
            if is_blocked {
                &mut parked.records
            } else {
                &mut ready
            }
            .push(record);
        }
        if !parked.records.is_empty() {
            self.context.store().park(&parked).await?;
        }
        Ok(ready)
    }

    /// Acts on the settlement of a batch: dead letters of older versions become stale, or the next
    /// changes of the keys go on.
    pub(crate) async fn after_settlement(&self, settlement: &Settlement<'_>) -> Result<(), Error> {
        let store = self.context.store();
        match self.flow.load.order {
            ChangeOrder::Latest => match settlement.applied_keys() {
                applied if applied.is_empty() => Ok(()),
                applied => store
                    .supersede_dead_letters(&self.flow.name, &applied)
                    .await
                    .map(drop),
            },
            ChangeOrder::Every => {
                let settled = settlement.settled();
                store.settle_changes(&settled).await?;
                self.settled_keys()
                    .extend(settled.records.into_iter().map(|record| record.key));
                self.has_settled.notify_one();
                Ok(())
            }
        }
    }

    /// Publishes parked records again when they need not wait any more, until shutdown. Workers do
    /// not do it: the queue may be full, and only workers make room in it.
    pub(crate) async fn release_unblocked(&self) {
        self.context
            .shutdown
            .run_until_cancelled(self.keep_releasing())
            .await;
        self.return_taken().await;
    }

    async fn keep_releasing(&self) -> Infallible {
        let interval = match self.flow.load.order {
            ChangeOrder::Latest => LONGEST_RELEASE_INTERVAL,
            ChangeOrder::Every => RELEASE_INTERVAL,
        };
        let mut released_at: Option<Instant> = None;
        loop {
            let is_due = released_at.is_none_or(|released_at| released_at.elapsed() >= interval);
            let released = if is_due {
                let released = self.release_all().await;
                released_at = Some(Instant::now());
                released
            } else {
                self.release_settled().await
            };
            if let Err(error) = released {
                warn!(flow = self.flow.name, %error, "records that wait for earlier changes stay parked for now");
                self.return_taken().await;
            }
            // A sweep is due in its time, however often batches settle.
            let _ = timeout(interval, self.has_settled.notified()).await;
        }
    }

    /// Releases the records of all keys. A flow that applies the latest change may have applied
    /// every change before: then no parked record has to wait.
    async fn release_all(&self) -> Result<(), HandlerError> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        match self.flow.load.order {
            ChangeOrder::Latest => store.forget_changes(flow).await?,
            ChangeOrder::Every => {
                store
                    .forget_unconfirmed_changes(flow, UNCONFIRMED_CHANGE_TTL)
                    .await?
            }
        }
        self.settled_keys().clear();
        self.release(None).await
    }

    /// Releases the parked records of keys of which changes have settled since the last time.
    async fn release_settled(&self) -> Result<(), HandlerError> {
        let settled = std::mem::take(&mut *self.settled_keys());
        match settled.is_empty() {
            true => Ok(()),
            false => {
                self.release(Some(
                    &settled.iter().map(String::as_str).collect::<Vec<_>>(),
                ))
                .await
            }
        }
    }

    /// Publishes the parked records of these keys, or of all keys, that need not wait any more.
    async fn release(&self, keys: Option<&[&str]>) -> Result<(), HandlerError> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        let taking = ParkedClaim {
            token: self.taker,
            ttl: PARKED_CLAIM_TTL,
            limit: MAX_TAKEN,
        };
        loop {
            let parked = store.claim_parked(flow, keys, taking).await?;
            if parked.is_empty() {
                return Ok(());
            }
            for of_lane in parked.chunk_by(|one, next| one.lane == next.lane) {
                let route = Route::to(Queue::for_batch(Stage::Load, &of_lane[0]));
                outbox::publish_batches(
                    self.context.broker(),
                    &route,
                    &of_lane.iter().collect::<Vec<_>>(),
                )
                .await?;
            }
            store.delete_parked(self.taker, &parked).await?;
        }
    }

    /// Returns the records that were taken and not published, so that other processes may take them
    /// at once.
    async fn return_taken(&self) {
        if let Err(error) = self
            .context
            .store()
            .release_parked(&self.flow.name, self.taker)
            .await
        {
            warn!(flow = self.flow.name, %error, "parked records are free again only after a while");
        }
    }

    fn settled_keys(&self) -> MutexGuard<'_, HashSet<String>> {
        self.settled_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
