//! The extractor: reads what is new at every flow's source and puts it into `transform.<flow>`.
//!
//! [`tend`] waits for the runs of one flow; [`extraction`] is one run, page by page; of a page,
//! [`page`] fetches and [`rows`] makes records of it, [`unit`] makes batches of these, and [`position`]
//! says where the next page is. [`checkpoint`] is where a run goes on after a crash, [`cursor`] where one
//! begins, by times on a [`wall_clock`] perhaps. Beside the plain listing there are [`children`],
//! [`fetch`] and [`sweep`], and [`webhook`] for what sources send by themselves, of which [`fetching`] asks
//! about the rows that were only told. [`alerts`] tells people what they have to know.

pub mod alerts;
mod anew;
mod asking;
pub mod checkpoint;
pub mod children;
pub mod cursor;
mod cursor_type;
pub mod extraction;
pub mod fetch;
pub mod fetching;
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

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use pomost_http::{AlertHook, SystemClients};
use pomost_models::{Lane, Stage};
use pomost_runtime::{ServiceContext, worker};
use tokio::task::JoinSet;

use extraction::Source;
use fetching::FetchHandler;
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
pub async fn serve(
    context: ServiceContext,
    clients: SystemClients,
    webhooks: Option<SocketAddr>,
) -> anyhow::Result<()> {
    let receiver = Receiver::bind(context.clone(), webhooks).await?;
    let receiving = tokio::spawn(receiver.serve());
    let extracted = run(context.clone(), clients, Scheduling::On).await;
    // Whatever ended the one ends the other.
    context.shutdown.cancel();
    receiving.await?;
    extracted
}

/// Extracts every flow of the project until shutdown, and asks about what their sources told; by their schedules,
/// and telling people what they have to know, where that is asked for.
pub async fn run(
    context: ServiceContext,
    clients: SystemClients,
    scheduling: Scheduling,
) -> anyhow::Result<()> {
    let mut flows = JoinSet::new();
    let alerts = context
        .project
        .alerts
        .as_ref()
        .filter(|_| scheduling == Scheduling::On);
    if let Some(alerts) = alerts {
        flows.spawn(alerts::tell(
            context.clone(),
            AlertHook::new(alerts.url.clone())?,
        ));
    }
    for flow in context.project.flows.values() {
        let client = clients
            .of(&flow.extract.system)
            .context("a flow's system has no client")?
            .clone();
        let source = Source {
            client,
            flow: flow.clone(),
        };
        flows.spawn(tend::tend(context.clone(), source.clone(), scheduling));
        let handler = FetchHandler {
            context: context.clone(),
            source,
        };
        let (name, concurrency) = (flow.name.clone(), handler.concurrency());
        let (context, handler) = (context.clone(), Arc::new(handler));
        flows.spawn(worker::work(
            context,
            name,
            Stage::Extract,
            Lane::Live,
            concurrency,
            handler,
        ));
    }
    while let Some(ended) = flows.join_next().await {
        ended?;
    }
    clients.finish().await;
    Ok(())
}
