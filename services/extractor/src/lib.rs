//! The extractor: reads what is new at every flow's source and puts it into `transform.<flow>`.
//!
//! [`tend`] waits for the runs of one flow; [`extraction`] is one run, page by page; of a page,
//! [`page`] fetches and [`rows`] makes records of it, [`unit`] makes batches of these, and [`position`]
//! says where the next page is. [`checkpoint`] is where a run goes on after a crash, [`cursor`] where one
//! begins, by times on a [`wall_clock`] perhaps. Beside the plain listing there are [`children`],
//! [`fetch`] and [`sweep`], and [`webhook`] for what sources send by themselves. [`alerts`] tells people what they have to know.

pub mod alerts;
mod anew;
pub mod checkpoint;
pub mod children;
pub mod cursor;
pub mod extraction;
pub mod fetch;
mod finish;
pub mod link;
pub mod page;
pub mod patience;
pub mod position;
pub mod rows;
pub mod seen;
pub mod sweep;
pub mod tend;
pub mod unit;
pub mod wall_clock;
pub mod webhook;

use std::net::SocketAddr;

use anyhow::Context as _;
use pomost_http::{Clients, Hook};
use pomost_runtime::Context;
use tokio::task::JoinSet;

use extraction::Source;
use webhook::Receiver;

/// Whether flows run by their schedules, or only when a run is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// By their schedules as well.
    On,
    /// Only when a run is requested.
    Off,
}

/// Extracts every flow by its schedule and takes what sources deliver by themselves, until shutdown.
pub async fn serve(context: Context, clients: Clients, webhooks: Option<SocketAddr>) -> anyhow::Result<()> {
    let receiver = Receiver::bind(context.clone(), &clients, webhooks).await?;
    let receiving = tokio::spawn(receiver.serve());
    let extracted = run(context.clone(), clients, Scheduling::On).await;
    // Whatever ended the one ends the other.
    context.shutdown.cancel();
    receiving.await?;
    extracted
}

/// Extracts every flow of the project until shutdown; by their schedules, and telling people what they have
/// to know, where that is asked for.
pub async fn run(context: Context, clients: Clients, scheduling: Scheduling) -> anyhow::Result<()> {
    let mut flows = JoinSet::new();
    let alerts = context.project.alerts.as_ref().filter(|_| scheduling == Scheduling::On);
    if let Some(alerts) = alerts {
        flows.spawn(alerts::tell(context.clone(), Hook::new(alerts.url.clone())?));
    }
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
