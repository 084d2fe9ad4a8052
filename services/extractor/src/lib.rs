//! The extractor: reads what is new at every flow's source and puts it into `transform.<flow>`.
//!
//! [`tend`] waits for the runs of one flow; [`extraction`] is one run, page by page; of a page,
//! [`page`] fetches and [`rows`] makes records of it, and [`position`] says where the next one is.

pub mod cursor;
pub mod extraction;
pub mod page;
pub mod position;
pub mod rows;
pub mod tend;

use anyhow::Context as _;
use pomost_http::Clients;
use pomost_runtime::Context;
use tokio::task::JoinSet;

use extraction::Source;

/// Whether flows run by their schedules, or only when a run is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// By their schedules as well.
    On,
    /// Only when a run is requested.
    Off,
}

/// Extracts every flow of the project until shutdown.
pub async fn run(context: Context, clients: Clients, scheduling: Scheduling) -> anyhow::Result<()> {
    let mut flows = JoinSet::new();
    for flow in context.project.flows.values() {
        let client = clients.of(&flow.extract.system).context("a flow's system has no client")?.clone();
        let source = Source { client, flow: flow.clone() };
        flows.spawn(tend::tend(context.clone(), source, scheduling));
    }
    while let Some(ended) = flows.join_next().await {
        ended?;
    }
    clients.finish().await;
    Ok(())
}
