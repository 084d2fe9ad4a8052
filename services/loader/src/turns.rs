//! Whose turn it is among the changes of one key.

use std::{sync::Arc, time::Duration};

use pomost_broker::{Queue, Route};
use pomost_models::{Batch, Record, Stage};
use pomost_project::{Flow, flow::Order};
use pomost_runtime::{Context, outbox, worker::Trouble};
use pomost_store::{ClaimToken, Error, Taking};
use tokio::time::sleep;
use tracing::warn;

use crate::tally::Tally;

/// How often all parked records are looked through: what they wait for may have settled while they were being
/// parked, or somebody discarded it.
const TURN: Duration = Duration::from_secs(5);

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
    context: Context,
    flow: Arc<Flow>,
}

impl Turns {
    /// The turns of a flow's records.
    pub fn new(context: Context, flow: Arc<Flow>) -> Turns {
        Turns { context, flow }
    }

    /// Parks those of a batch's records whose turn it is not, and returns the others.
    pub async fn whose_turn_it_is(&self, batch: &Batch, records: Vec<Record>) -> Result<Vec<Record>, Error> {
        if self.flow.load.order == Order::Latest {
            return Ok(records);
        }
        let batch = batch.with_records(records);
        let behind = self.context.store().are_behind(&batch).await?;
        let (mut ready, mut parked) = (Vec::with_capacity(behind.len()), batch.with_records(Vec::new()));
        for (record, is_behind) in batch.records.into_iter().zip(behind) {
            if is_behind { &mut parked.records } else { &mut ready }.push(record);
        }
        if !parked.records.is_empty() {
            self.context.store().park(&parked).await?;
        }
        Ok(ready)
    }

    /// What follows from what came of a batch: older versions that are dead are stale, or it is the next
    /// change's turn.
    pub async fn after(&self, tally: &Tally<'_>) -> Result<(), Trouble> {
        let store = self.context.store();
        match self.flow.load.order {
            Order::Latest => match tally.applied() {
                applied if applied.is_empty() => Ok(()),
                applied => Ok(store.supersede(&self.flow.name, &applied).await.map(drop)?),
            },
            Order::Every => {
                let settled = tally.settled();
                store.settle_changes(&settled).await?;
                let keys: Vec<&str> = settled.records.iter().map(|record| record.key.as_str()).collect();
                self.bring_back(Some(&keys)).await
            }
        }
    }

    /// Looks all parked records through, again and again until shutdown.
    pub async fn look_after_all(&self) {
        let looking = async {
            loop {
                if let Err(error) = self.look_through().await {
                    warn!(flow = self.flow.name, %error, "records that wait for earlier changes stay parked for now");
                }
                sleep(TURN).await;
            }
        };
        self.context.shutdown.run_until_cancelled(looking).await;
    }

    /// A flow that applies the latest may have applied every one before: what is parked need not wait then.
    async fn look_through(&self) -> Result<(), Trouble> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        match self.flow.load.order {
            Order::Latest => store.forget_changes(flow).await?,
            Order::Every => store.give_up_changes(flow, UNCONFIRMED).await?,
        }
        self.bring_back(None).await
    }

    /// Publishes the parked records of these keys, or of all, whose turn it is.
    async fn bring_back(&self, keys: Option<&[&str]>) -> Result<(), Trouble> {
        let (store, flow) = (self.context.store(), &self.flow.name);
        let taking = Taking { taker: ClaimToken::generate(), ttl: PUBLISHING, limit: TOGETHER };
        loop {
            let parked = store.take_parked(flow, keys, taking).await?;
            if parked.is_empty() {
                return Ok(());
            }
            for of_lane in parked.chunk_by(|one, next| one.lane == next.lane) {
                let route = Route::to(Queue::of(Stage::Load, &of_lane[0]));
                outbox::send(self.context.broker(), &route, &of_lane.iter().collect::<Vec<_>>()).await?;
            }
            store.unpark(taking.taker, &parked).await?;
        }
    }
}
