//! Webhooks: what sources deliver by themselves.
//!
//! [`server`] holds the connections and [`routes`] answers one request. [`delivery`] reads it once
//! [`verify`] believes it, as a pure function of the request and its flow. [`intake`] gathers
//! deliveries into groups, whose [`handover`] to the broker and the store is in the [`batches`]
//! that they make.
//!
//! A delivery is answered with 2xx when the broker has confirmed its records and the store has
//! counted them, in that order, and with 503 when that cannot be: its sender then delivers it
//! again. Nothing is kept in between, so a crash loses nothing.
//!
//! **Rows that await their fetch.** A delivery to a flow with `extract.fetch` says little more than
//! which records changed. Its rows are taken into `extract.<flow>` as they were delivered, whatever
//! the state of the source, and [`crate::fetch`] asks about them from there. Each keeps its slot.
//!
//! **Runs.** Everything that a source delivers to a flow within an hour (UTC) is one run. A run for
//! each delivery would bury the others in every listing at a hundred a second, and a run without
//! end would never settle. Every process calculates the hour's run id by itself, so there is
//! nothing to agree upon, to keep open or to close: what has been delivered has been read to its
//! end, and the run is settled whenever all of it is.
//!
//! **Batches.** Deliveries that arrive while others are handed on are handed on together, in one
//! message and one statement; alone, a delivery does not wait for others. A batch goes on over
//! several messages until it has the flow's `batch_size` of slots, so a run has no more batches
//! than one that reads pages.
//!
//! **Order.** Records without a version are ordered by their arrival, and records on pages by when
//! their page was requested ([`pomost_models::Version::of_extraction`]): a delivery is never stale
//! for a page that was requested before it. Where versions are given, they alone decide.
//!
//! The listener speaks plain HTTP: a reverse proxy before it does TLS, and may hold slow senders
//! off.

mod batches;
mod delivery;
mod handover;
mod intake;
mod payload;
mod request;
mod response;
mod routes;
mod server;
#[cfg(test)]
mod testing;
mod verify;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use pomost_project::{Flow, Project, webhook::WebhookRules};
use pomost_runtime::ServiceContext;
use tokio::{net::TcpListener, task::JoinSet};
use tracing::{info, warn};

use intake::DeliveryIntake;
use routes::{WebhookEndpoint, WebhookRoutes};

/// Takes deliveries for the flows of a project that have webhooks.
pub struct WebhookReceiver {
    pub limits: ReceiverLimits,
    context: ServiceContext,
    webhooks: Vec<(Arc<Flow>, Arc<WebhookRules>)>,
    listener: Option<TcpListener>,
}

/// Number of records handed on within one [`ReceiverLimits::intake_timeout`].
pub const RECORDS_PER_TIMEOUT: usize = 10_000;

/// The limits of a receiver on its senders.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverLimits {
    /// Limit for the head of a request, and for an idle connection.
    pub head_timeout: Duration,
    pub body_timeout: Duration,
    /// Limit for handing a group of deliveries on, and as long again for every further
    /// [`RECORDS_PER_TIMEOUT`] records. Senders wait for as little as five seconds for their
    /// response, and a delivery may have to wait for those before it.
    pub intake_timeout: Duration,
    /// Number of connections at a time.
    pub max_connections: usize,
    /// Number of bytes of all the deliveries being processed.
    pub max_bytes: usize,
}

impl Default for ReceiverLimits {
    fn default() -> ReceiverLimits {
        ReceiverLimits {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            intake_timeout: Duration::from_secs(2),
            max_connections: 1024,
            max_bytes: 64 << 20,
        }
    }
}

impl WebhookReceiver {
    /// Listens at the address, if the project has webhooks. If it has some and no address is given,
    /// a warning is logged and nothing is taken.
    pub async fn bind(
        context: ServiceContext,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<WebhookReceiver> {
        let webhooks = webhooks(&context.project);
        let listener = match address {
            _ if webhooks.is_empty() => None,
            Some(address) => Some(listen(address).await?),
            None => {
                let flows: Vec<&str> = webhooks.iter().map(|(flow, _)| &*flow.name).collect();
                warn!(
                    flows = flows.join(", "),
                    "these flows have webhooks and nothing is taken for them here: set POMOST_WEBHOOK_ADDR, such as \
                     0.0.0.0:8081, unless another extractor does"
                );
                None
            }
        };
        Ok(WebhookReceiver {
            limits: ReceiverLimits::default(),
            context,
            webhooks,
            listener,
        })
    }

    /// The address at which it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// Takes deliveries until shutdown. Then no more are begun, and those in hand are finished
    /// within [`pomost_runtime::shutdown::GRACE_PERIOD`].
    pub async fn serve(self) {
        let Some(listener) = self.listener else {
            return;
        };
        let mut intakes = JoinSet::new();
        let mut endpoints = HashMap::new();
        for (flow, webhook) in self.webhooks {
            let (intake, task) =
                DeliveryIntake::new(self.context.clone(), flow.clone(), &webhook, self.limits);
            intakes.spawn(task);
            let path = webhook.path.clone();
            let endpoint = WebhookEndpoint {
                flow,
                webhook,
                intake,
            };
            endpoints.insert(path, endpoint);
        }
        let routes = Arc::new(WebhookRoutes::new(endpoints, self.limits));
        server::serve(listener, routes, self.limits, self.context.shutdown).await;
        // The routes are dropped with the last connection, and the intakes end with them.
        while intakes.join_next().await.is_some() {}
    }
}

fn webhooks(project: &Project) -> Vec<(Arc<Flow>, Arc<WebhookRules>)> {
    let webhook = |flow: &Arc<Flow>| Some((flow.clone(), flow.extract.webhook.clone()?));
    project.flows.values().filter_map(webhook).collect()
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on POMOST_WEBHOOK_ADDR={address}"))?;
    info!(address = %listener.local_addr()?, "taking webhooks");
    Ok(listener)
}
