//! The transformer: takes extracted records from `transform.<flow>`, validates and maps them, and
//! puts them into `load.<flow>`. Validating and mapping ([`map`]) is a pure function of a record
//! and its flow; the queues are around it ([`handler`]). Parts of split records that go away are
//! deleted, in whatever order the changes of a record are worked on (`parts`).

pub mod handler;
pub mod map;
pub mod parts;
mod transformed;

use std::sync::Arc;

use pomost_models::{Lane, Stage};
use pomost_runtime::{ServiceContext, worker};
use tokio::task::JoinSet;

use handler::TransformHandler;

/// Number of batches of one flow that are mapped at a time: one a core, since mapping does nothing
/// but compute.
fn concurrency() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Transforms the records of every flow of the project until shutdown.
pub async fn run(context: ServiceContext) -> anyhow::Result<()> {
    let mut workers = JoinSet::new();
    for (name, flow) in &context.project.flows {
        let handler = Arc::new(TransformHandler::new(context.clone(), flow.clone()));
        for lane in Lane::ALL {
            let (context, flow, handler) = (context.clone(), name.clone(), handler.clone());
            workers.spawn(worker::work(
                context,
                flow,
                Stage::Transform,
                lane,
                concurrency(),
                handler,
            ));
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended?;
    }
    Ok(())
}
