//! The loader: takes records from the queues `load.<flow>` and applies them at the destination.
//!
//! The walk of a batch, in `handler`:
//! 1. `claims` claims its keys in the ledger and guards the claims while records are worked on;
//! 2. `decide`, a pure function, decides about each record, and `apply` carries the decisions out;
//! 3. `destinations` has the kinds of destination, each of which plans a write and performs it;
//! 4. `settlement` gathers how the records ended: settled, retried or dead.
//!
//! Where a flow applies every change of a key, `change_ordering` keeps them in order. The archive
//! of dead letters (`pomost-archive`) runs in this process.

mod apply;
mod change_ordering;
mod claims;
mod decide;
mod destinations;
mod handler;
mod settlement;

use std::{sync::Arc, time::Duration};

use pomost_http::SystemClients;
use pomost_models::{Lane, Stage};
use pomost_project::Flow;
use pomost_runtime::{ServiceContext, worker};
use tokio::{task::JoinSet, time::interval};

pub use change_ordering::ChangeOrdering;
pub use claims::claim_entry;
pub use destinations::Destination;
pub use handler::LoadHandler;

/// The number of batches of one flow and lane that are worked on at a time: while one waits for the
/// store, others keep the destination busy.
const CONCURRENCY: usize = 4;

/// The interval at which destinations delete what they kept for batches that cannot be redelivered.
const CLEAN_UP_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Loads the records of every flow of the project, and archives dead letters, until shutdown.
pub async fn run(context: ServiceContext, clients: SystemClients) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for flow in context.project.flows.values() {
        spawn_flow(&mut tasks, &context, &clients, flow)?;
    }
    // Dropped at the end of this function, which ends its task.
    let _closing = close_clients_at_shutdown(context.clone(), clients.clone());
    tasks.spawn(pomost_archive::run(context));
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    clients.finish().await;
    Ok(())
}

/// Starts the workers of a flow, and the tasks beside them.
fn spawn_flow(
    tasks: &mut JoinSet<()>,
    context: &ServiceContext,
    clients: &SystemClients,
    flow: &Arc<Flow>,
) -> anyhow::Result<()> {
    let change_ordering = Arc::new(ChangeOrdering::new(context.clone(), flow.clone()));
    let destination = Destination::of(flow, clients, &context.backends.store)?;
    for lane in Lane::ALL {
        let handler = LoadHandler {
            context: context.clone(),
            destination: destination.in_lane(lane),
            change_ordering: change_ordering.clone(),
        };
        tasks.spawn(worker::work(
            context.clone(),
            flow.name.clone(),
            Stage::Load,
            lane,
            CONCURRENCY,
            Arc::new(handler),
        ));
    }
    tasks.spawn(async move { change_ordering.release_unblocked().await });
    tasks.spawn(keep_clean(context.clone(), destination));
    Ok(())
}

/// Has a destination clean up at intervals until shutdown.
async fn keep_clean(context: ServiceContext, destination: Destination) {
    let cleaning = async {
        let mut ticks = interval(CLEAN_UP_INTERVAL);
        loop {
            ticks.tick().await;
            destination.writer.clean_up(context.store()).await;
        }
    };
    context.shutdown.run_until_cancelled(cleaning).await;
}

/// Closes the clients at shutdown, so that records which wait for a rate slot are retried by
/// another process. Dropping the set ends the task.
fn close_clients_at_shutdown(context: ServiceContext, clients: SystemClients) -> JoinSet<()> {
    let mut closing = JoinSet::new();
    closing.spawn(async move {
        context.shutdown.cancelled().await;
        clients.close();
    });
    closing
}
