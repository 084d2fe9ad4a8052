//! Whose turn it is among the changes of one key.

use std::{sync::Arc, time::Duration};

use pomost_broker::{Queue, Route};
use pomost_models::{Batch, Record, Stage};
use pomost_project::{Flow, flow::Order};
use pomost_runtime::{Context, outbox, worker::Trouble};
use pomost_store::Error;
use tokio::{sync::Notify, time::timeout};
use tracing::warn;

use crate::tally::Tally;

/// How long parked records are looked for without being called: another process may have settled what they
/// wait for, or somebody discarded it.
const TURN: Duration = Duration::from_secs(5);

/// How long a change is waited for that may never have been published.
const UNCONFIRMED: Duration = Duration::from_secs(3600);

/// How long parked records are nobody else's: longer than publishing may take.
const PUBLISHING: Duration = Duration::from_secs(300);

/// How many parked records are brought back at a time.
const TOGETHER: u32 = 100;

/// Whose turn it is among the changes of one key. Where a flow applies the latest, that is whoever comes;
/// where it applies every one, it is the earliest that has not settled: the others are parked in the
/// store, so that they hold up no other key, and brought back when it is their turn.
pub struct Turns {
    context: Context,
    flow: Arc<Flow>,
    called: Notify,
}

impl Turns {
    /// The turns of a flow's records.
    pub fn new(context: Context, flow: Arc<Flow>) -> Turns {
        Turns { context, flow, called: Notify::new() }
    }

    /// Parks those of a batch's records whose turn it is not, and returns the others.
    pub async fn whose_turn_it_is(&self, batch: &Batch, records: Vec<Record>) -> Result<Vec<Record>, Error> {
        if self.flow.load.order == Order::Latest {
            return Ok(records);
        }
        let batch = batch.with_records(records);
        let behind = self.context.store().are_behind(&batch).await?;
        let (mut ready, mut parked) = (Vec::with_capacity(batch.records.len()), Vec::new());
        for (record, is_behind) in batch.records.iter().zip(behind) {
            if is_behind { &mut parked } else { &mut ready }.push(record.clone());
        }
        if !parked.is_empty() {
            self.context.store().park(&batch.with_records(parked)).await?;
        }
        Ok(ready)
    }

    /// What follows from what came of a batch: older versions that are dead are stale, or it is the next
    /// change's turn.
    pub async fn after(&self, tally: &Tally<'_>) -> Result<(), Error> {
        let store = self.context.store();
        match self.flow.load.order {
            Order::Latest => store.supersede(&self.flow.name, &tally.applied()).await.map(drop),
            Order::Every => {
                store.settle_changes(&tally.settled()).await?;
                self.called.notify_one();
                Ok(())
            }
        }
    }

    /// Brings parked records back until shutdown. A flow that applies the latest may have applied every one
    /// before: what is parked then need not wait.
    pub async fn bring_back(&self) {
        while !self.context.shutdown.is_cancelled() {
            if let Err(error) = self.bring_back_all().await {
                warn!(flow = self.flow.name, %error, "records that wait for earlier changes stay parked for now");
            }
            let called = timeout(TURN, self.called.notified());
            self.context.shutdown.run_until_cancelled(called).await;
        }
    }

    async fn bring_back_all(&self) -> Result<(), Trouble> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        match self.flow.load.order {
            Order::Latest => store.forget_changes(flow).await?,
            Order::Every => store.give_up_changes(flow, UNCONFIRMED).await?,
        }
        loop {
            let parked = store.take_parked(flow, PUBLISHING, TOGETHER).await?;
            if parked.is_empty() {
                return Ok(());
            }
            for of_lane in parked.chunk_by(|one, next| one.lane == next.lane) {
                let route = Route::to(Queue::of(Stage::Load, &of_lane[0]));
                outbox::send(self.context.broker(), &route, &of_lane.iter().collect::<Vec<_>>()).await?;
            }
            store.unpark(&parked).await?;
        }
    }
}
