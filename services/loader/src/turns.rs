//! Whose turn it is among the changes of one key.

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

use crate::{prepare, tally::Tally};

/// How often all parked records are looked through: what they wait for may have settled while they were being
/// parked, or somebody discarded it.
const TURN: Duration = Duration::from_secs(5);

/// How often where the flow applies the latest: only a process that has an older file of it still parks any.
const SELDOM: Duration = Duration::from_secs(60);

/// How long a change is waited for that may never have been published. Publishing is given up long before.
const UNCONFIRMED: Duration = Duration::from_secs(600);

/// How long parked records are nobody else's: longer than publishing may take.
const PUBLISHING: Duration = Duration::from_secs(300);

/// How many parked records are brought back at a time.
const TOGETHER: u32 = 100;

/// Whose turn it is among the changes of one key. Where a flow applies the latest, that is whoever comes;
/// where it applies every one, it is the earliest that has not settled: the others are parked in the
/// store, so that they hold up no other key, and brought back when it is their turn.
pub struct Turns {
    context: ServiceContext,
    flow: Arc<Flow>,
    /// Names this process among those that take parked records.
    taker: ClaimToken,
    /// The keys of which changes have settled since the parked records were looked through for them.
    settled: Mutex<HashSet<String>>,
    called: Notify,
}

impl Turns {
    /// The turns of a flow's records.
    pub fn new(context: ServiceContext, flow: Arc<Flow>) -> Turns {
        Turns {
            context,
            flow,
            taker: ClaimToken::generate(),
            settled: Mutex::default(),
            called: Notify::new(),
        }
    }

    /// Parks those of a batch's records whose turn it is not, and returns the others; those that died before and are
    /// read again are among these.
    pub async fn whose_turn_it_is(
        &self,
        batch: &Batch,
        records: Vec<Record>,
    ) -> Result<Vec<Record>, Error> {
        if self.flow.load.order == ChangeOrder::Latest {
            return Ok(records);
        }
        let batch = batch.with_records(records);
        let fates: Vec<_> = batch
            .records
            .iter()
            .map(|record| prepare::fate(&self.flow, &batch, record))
            .collect();
        let behind = self.context.store().are_blocked(&batch, &fates).await?;
        let (mut ready, mut parked) = (
            Vec::with_capacity(behind.len()),
            batch.with_records(Vec::new()),
        );
        for (record, is_behind) in batch.records.into_iter().zip(behind) {
            if is_behind {
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

    /// What follows from what came of a batch: older versions that are dead are stale, or it is the next
    /// change's turn.
    pub async fn after(&self, tally: &Tally<'_>) -> Result<(), Error> {
        let store = self.context.store();
        match self.flow.load.order {
            ChangeOrder::Latest => match tally.applied() {
                applied if applied.is_empty() => Ok(()),
                applied => store
                    .supersede_dead_letters(&self.flow.name, &applied)
                    .await
                    .map(drop),
            },
            ChangeOrder::Every => {
                let settled = tally.settled();
                store.settle_changes(&settled).await?;
                self.settled()
                    .extend(settled.records.into_iter().map(|record| record.key));
                self.called.notify_one();
                Ok(())
            }
        }
    }

    /// Brings parked records back when it is their turn, until shutdown. No worker does: the queue may be full,
    /// and workers are who makes room in it.
    pub async fn look_after_all(&self) {
        self.context
            .shutdown
            .run_until_cancelled(self.look_again_and_again())
            .await;
        self.give_back().await;
    }

    async fn look_again_and_again(&self) -> Infallible {
        let turn = match self.flow.load.order {
            ChangeOrder::Latest => SELDOM,
            ChangeOrder::Every => TURN,
        };
        let mut looked_through = None;
        loop {
            let is_time = looked_through.is_none_or(|then: Instant| then.elapsed() >= turn);
            let looked = if is_time {
                self.look_through().await
            } else {
                self.look_for_settled().await
            };
            looked_through = if is_time {
                Some(Instant::now())
            } else {
                looked_through
            };
            if let Err(error) = looked {
                warn!(flow = self.flow.name, %error, "records that wait for earlier changes stay parked for now");
                self.give_back().await;
            }
            // However often it is called, all are looked through in their time.
            let _ = timeout(turn, self.called.notified()).await;
        }
    }

    /// A flow that applies the latest may have applied every one before: what is parked need not wait then.
    async fn look_through(&self) -> Result<(), HandlerError> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        match self.flow.load.order {
            ChangeOrder::Latest => store.forget_changes(flow).await?,
            ChangeOrder::Every => store.forget_unconfirmed_changes(flow, UNCONFIRMED).await?,
        }
        self.settled().clear();
        self.bring_back(None).await
    }

    async fn look_for_settled(&self) -> Result<(), HandlerError> {
        let settled = std::mem::take(&mut *self.settled());
        match settled.is_empty() {
            true => Ok(()),
            false => {
                self.bring_back(Some(
                    &settled.iter().map(String::as_str).collect::<Vec<_>>(),
                ))
                .await
            }
        }
    }

    /// Publishes the parked records of these keys, or of all, whose turn it is.
    async fn bring_back(&self, keys: Option<&[&str]>) -> Result<(), HandlerError> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        let taking = ParkedClaim {
            token: self.taker,
            ttl: PUBLISHING,
            limit: TOGETHER,
        };
        loop {
            let parked = store.claim_parked(flow, keys, taking).await?;
            if parked.is_empty() {
                return Ok(());
            }
            for of_lane in parked.chunk_by(|one, next| one.lane == next.lane) {
                let route = Route::to(Queue::of(Stage::Load, &of_lane[0]));
                outbox::send(
                    self.context.broker(),
                    &route,
                    &of_lane.iter().collect::<Vec<_>>(),
                )
                .await?;
            }
            store.delete_parked(self.taker, &parked).await?;
        }
    }

    /// What was taken and not published, others may take at once.
    async fn give_back(&self) {
        if let Err(error) = self
            .context
            .store()
            .release_parked(&self.flow.name, self.taker)
            .await
        {
            warn!(flow = self.flow.name, %error, "parked records are free again only after a while");
        }
    }

    fn settled(&self) -> MutexGuard<'_, HashSet<String>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
