//! Webhooks: what sources deliver by themselves.
//!
//! [`server`] holds the connections; [`hook`] answers one request; [`delivery`] reads it, once
//! [`verify`] believes it, as a pure function of the request and its flow; [`intake`] hands on the batches
//! that are [`made`] of it.
//!
//! A delivery is answered with 2xx when the broker has confirmed its records and the store has counted
//! them, in that order, and with 503 when that cannot be: its sender then delivers it again. Nothing is
//! kept in between, so a crash loses nothing.
//!
//! **Rows that are asked about.** Of a flow with `extract.fetch` a delivery says little more than which
//! records changed. That is taken into `extract.<flow>` as it was told, whatever the state of the source, and
//! its rows are asked about from there ([`crate::fetching`]). Each keeps its slot.
//!
//! **Runs.** All that a source delivers to a flow within an hour (UTC) is one run. A run for each
//! delivery would bury the others in every listing at a hundred a second, and a run without end would
//! never settle. Every process comes to the hour's id by itself, so there is nothing to agree upon, to
//! keep open or to close: what has been delivered has been read to its end, and the run is settled
//! whenever all of it is.
//!
//! **Batches.** Deliveries that come while others are handed on are handed on together, in one message
//! and one statement; alone, a delivery does not wait for others. A batch goes on over several messages
//! until it has the flow's `batch_size` of slots, so a run has no more batches than one that reads pages.
//!
//! **Order.** Records without a version are ordered by their arrival, and those that are read by when
//! their page was asked for ([`pomost_models::Version::of_extraction`]): a delivery is never stale for a
//! page that was asked for before it. Where versions are given, they alone decide.
//!
//! The listener speaks plain HTTP: a reverse proxy before it does TLS, and may hold slow senders off.

mod answer;
mod delivery;
mod hook;
mod intake;
mod made;
mod payload;
mod received;
mod server;
#[cfg(test)]
mod testing;
mod verify;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use pomost_models::BatchId;
use pomost_project::{Flow, Project, flow::FetchRequest, webhook::WebhookRules};
use pomost_runtime::ServiceContext;
use tokio::{net::TcpListener, task::JoinSet};
use tracing::{info, warn};

use crate::rows::Reading;
use hook::{Hook, Hooks};
use intake::Intake;

/// Takes deliveries for the flows of a project that have webhooks.
pub struct Receiver {
    /// What it bears.
    pub limits: Limits,
    context: ServiceContext,
    hooks: Vec<(Arc<Flow>, Arc<WebhookRules>)>,
    listener: Option<TcpListener>,
}

/// How many records are handed on within one [`Limits::patience`].
pub const TOGETHER: usize = 10_000;

/// What senders may ask of a receiver.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long the head of a request may take, and a connection be idle.
    pub head: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long handing on may take, and as long again for every further [`TOGETHER`] records. Senders wait
    /// for as little as five seconds for their answer, and a delivery may have to wait for those before it.
    pub patience: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// Bytes of all the deliveries in hand.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            patience: Duration::from_secs(2),
            connections: 1024,
            bytes: 64 << 20,
        }
    }
}

impl Receiver {
    /// Listens at the address where one is given and the project has webhooks. Where it has some and
    /// no address is given, it says so and takes nothing.
    pub async fn bind(
        context: ServiceContext,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<Receiver> {
        let hooks = hooks(&context.project);
        let listener = match address {
            _ if hooks.is_empty() => None,
            Some(address) => Some(listen(address).await?),
            None => {
                let flows: Vec<&str> = hooks.iter().map(|(flow, _)| &*flow.name).collect();
                warn!(
                    flows = flows.join(", "),
                    "these flows have webhooks and nothing is taken for them here: set POMOST_WEBHOOK_ADDR, such as \
                     0.0.0.0:8081, unless another extractor does"
                );
                None
            }
        };
        Ok(Receiver {
            limits: Limits::default(),
            context,
            hooks,
            listener,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// Takes deliveries until shutdown; then none is begun, and those in hand are finished within
    /// [`pomost_runtime::shutdown::GRACE_PERIOD`].
    pub async fn serve(self) {
        let Some(listener) = self.listener else {
            return;
        };
        let mut intakes = JoinSet::new();
        let mut hooks = HashMap::new();
        for (flow, webhook) in self.hooks {
            let (intake, gathering) =
                Intake::new(self.context.clone(), flow.clone(), &webhook, self.limits);
            intakes.spawn(gathering);
            hooks.insert(
                webhook.path.clone(),
                Hook {
                    flow,
                    webhook,
                    intake,
                },
            );
        }
        let hooks = Arc::new(Hooks::new(hooks, self.limits));
        server::serve(listener, hooks, self.limits, self.context.shutdown).await;
        // The hooks are gone with the last connection, and the intakes end with them.
        while intakes.join_next().await.is_some() {}
    }
}

impl<'a> Reading<'a> {
    /// How the rows of a batch were read.
    pub fn of_batch(flow: &'a Flow, batch: &BatchId) -> Reading<'a> {
        match &flow.extract.webhook {
            Some(webhook) if batch.is_of_webhook() => Reading::of_webhook(flow, webhook),
            _ => Reading::from(flow),
        }
    }
}

/// What the source is asked about the rows of a delivery, where it is.
fn asks<'a>(flow: &'a Flow, webhook: &WebhookRules) -> Option<&'a FetchRequest> {
    flow.extract.fetch.as_ref().filter(|_| webhook.fetch)
}

/// What the source is asked about the rows of a batch that were told, where it still is.
pub fn fetch_of<'a>(flow: &'a Flow, batch: &BatchId) -> Option<&'a FetchRequest> {
    match &flow.extract.webhook {
        Some(webhook) if batch.is_of_webhook() => asks(flow, webhook),
        _ => flow.extract.fetch.as_ref(),
    }
}

fn hooks(project: &Project) -> Vec<(Arc<Flow>, Arc<WebhookRules>)> {
    let hook = |flow: &Arc<Flow>| Some((flow.clone(), flow.extract.webhook.clone()?));
    project.flows.values().filter_map(hook).collect()
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on POMOST_WEBHOOK_ADDR={address}"))?;
    info!(address = %listener.local_addr()?, "taking webhooks");
    Ok(listener)
}
