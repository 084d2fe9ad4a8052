//! The extractor: reads what is new at every flow's source and puts it into `transform.<flow>`.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`run`] | the runs of a flow: schedule, checkpoint, pages, batches, the end |
//! | [`source`] | the source's requests and pages, without queues or a store |
//! | [`paging`] | positions of pages, of each kind of paging |
//! | [`webhook`] | the deliveries that sources send by themselves |
//! | `fetch` | the fetch of records whose deliveries say only that they changed |
//!
//! The records that rows make, and cursors, are in `pomost-rows`: replays read rows as well. Alerts
//! (`pomost-alerts`) run in the same process.

pub mod error;
mod fetch;
pub mod paging;
pub mod run;
pub mod source;
#[cfg(test)]
mod testing;
pub mod webhook;

use std::sync::Arc;

use anyhow::Context as _;
use pomost_http::{AlertHook, SystemClients};
use pomost_models::{Lane, Stage};
use pomost_project::Flow;
use pomost_runtime::{ServiceContext, worker};
use tokio::task::JoinSet;

use fetch::FetchHandler;
use run::scheduler;
use source::Source;
use webhook::WebhookReceiver;

/// The way in which runs begin: by the flows' schedules as well, or only when one is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    On,
    Off,
}

/// Extracts every flow by its schedule and takes the deliveries that sources send by themselves,
/// until shutdown.
pub async fn serve(
    context: ServiceContext,
    clients: SystemClients,
    receiver: WebhookReceiver,
) -> anyhow::Result<()> {
    let receiving = tokio::spawn(receiver.serve());
    let extracted = run(context.clone(), clients, Scheduling::On).await;
    // If extraction ended by itself, the receiver has to end, too.
    context.shutdown.cancel();
    receiving.await?;
    extracted
}

/// Extracts every flow of the project and fetches what sources delivered, until shutdown. With
/// [`Scheduling::On`], flows run by their schedules and people are alerted.
pub async fn run(
    context: ServiceContext,
    clients: SystemClients,
    scheduling: Scheduling,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    if let Some(alerts) = &context.project.alerts
        && scheduling == Scheduling::On
    {
        let hook = AlertHook::new(alerts.url.clone())?;
        tasks.spawn(pomost_alerts::run(context.clone(), hook));
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
        let flow = flow.clone();
        tasks.spawn(work_on_deliveries(context.clone(), flow, source.clone()));
        tasks.spawn(scheduler::schedule(context.clone(), source, scheduling));
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    clients.finish().await;
    Ok(())
}

/// Works on `extract.<flow>` until shutdown.
async fn work_on_deliveries(context: ServiceContext, flow: Arc<Flow>, source: Source) {
    let handler = FetchHandler {
        context: context.clone(),
        source,
    };
    let concurrency = handler.concurrency();
    let (stage, handler) = (Stage::Extract, Arc::new(handler));
    let name = flow.name.clone();
    worker::work(context, name, stage, Lane::Live, concurrency, handler).await;
}
