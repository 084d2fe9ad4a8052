//! The loader: takes records from `load.<flow>` and makes the destination have them.
//!
//! Of one batch: [`handler`] claims its keys in the ledger, [`act`] sends the requests that
//! [`decide`] chooses, `many` those for many records at once or the statements and files that take them,
//! and [`tally`] gathers what came of them for one settlement. [`turns`] keeps the changes of a key in order
//! where every one is applied. The archive of dead letters (`pomost-archive`) runs in this process.

pub mod act;
mod acting;
mod batch_requests;
pub mod decide;
pub mod destination;
mod files;
mod halving;
pub mod handler;
mod hold;
pub mod idempotency;
mod many;
pub mod prepare;
mod request;
mod table;
pub mod tally;
pub mod turns;

use std::sync::Arc;

use pomost_http::SystemClients;
use pomost_models::{Lane, Stage};
use pomost_runtime::{ServiceContext, worker};
use tokio::task::JoinSet;

use destination::Destination;
use handler::LoadHandler;
use turns::Turns;

/// Batches of one flow and lane in hand at a time: while one waits for the store, others keep the
/// destination busy.
const CONCURRENCY: usize = 4;

/// Loads the records of every flow of the project, and archives dead letters, until shutdown.
pub async fn run(context: ServiceContext, clients: SystemClients) -> anyhow::Result<()> {
    let mut workers = JoinSet::new();
    for (name, flow) in &context.project.flows {
        let turns = Arc::new(Turns::new(context.clone(), flow.clone()));
        let destination = Destination::of(flow, &clients)?;
        for lane in Lane::ALL {
            let destination = destination.in_lane(lane);
            let handler = LoadHandler {
                context: context.clone(),
                destination,
                turns: turns.clone(),
            };
            let (context, flow) = (context.clone(), name.clone());
            workers.spawn(worker::work(
                context,
                flow,
                Stage::Load,
                lane,
                CONCURRENCY,
                Arc::new(handler),
            ));
        }
        workers.spawn(async move { turns.look_after_all().await });
    }
    let _closing = closing(context.clone(), clients.clone());
    workers.spawn(pomost_archive::run(context));
    while let Some(ended) = workers.join_next().await {
        ended?;
    }
    clients.finish().await;
    Ok(())
}

/// At the end, records that wait for their turn under a rate limit come again elsewhere. It goes on until
/// it is dropped.
fn closing(context: ServiceContext, clients: SystemClients) -> JoinSet<()> {
    let mut closing = JoinSet::new();
    closing.spawn(async move {
        context.shutdown.cancelled().await;
        clients.close();
    });
    closing
}
