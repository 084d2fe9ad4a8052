//! Where a flow's records go.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use pomost_http::{
    AttemptCharging, Failure, FailureClass, SendPermit, SystemClient, SystemClients,
};
use pomost_models::{Batch, Lane, Record};
use pomost_project::{
    Flow,
    flow::{LoadTarget, SystemDestination},
};
use pomost_runtime::gate::Backpressure;
use pomost_store::{ClaimResult, ledger::ContentHash};
use tokio::time::Instant;

use crate::{
    act::Act,
    batch_requests::BatchRequests,
    decide::{Case, Doubt, Means, Repeats, Step, is_under_way},
    files,
    many::{Kind, Many},
    table,
};

/// How many files of a flow are written at a time.
const FILES: usize = 4;

/// Where a flow's records go. Clones share connections.
#[derive(Clone)]
pub struct Destination {
    /// The flow.
    pub flow: Arc<Flow>,
    /// How it writes to a system; what is no system has no requests.
    pub(crate) requests: Arc<SystemDestination>,
    client: Option<SystemClient>,
    /// What takes many records at once.
    pub(crate) many: Arc<dyn Many>,
    /// What the flow does to records, and what it has for finding out what is there.
    pub(crate) means: Means,
    /// What may be under way at a time.
    pub(crate) concurrency: usize,
}

impl Destination {
    /// Where a flow's records go. Nothing is connected yet.
    pub fn of(flow: &Arc<Flow>, clients: &SystemClients) -> anyhow::Result<Destination> {
        Ok(match &flow.load.target {
            LoadTarget::System(requests) => {
                let client = clients
                    .of(&requests.system)
                    .context("a flow's system has no client")?;
                Destination::system(flow.clone(), requests.clone(), client.clone())
            }
            LoadTarget::Table(table) => {
                let writer = table::Writer::new(table.clone());
                let writer =
                    writer.with_context(|| format!("the flow '{}', load.table", flow.name))?;
                Destination::by_key(flow.clone(), Arc::new(writer), table.concurrency)
            }
            LoadTarget::Files(files) => Destination::by_key(
                flow.clone(),
                Arc::new(files::Writer::new(files.clone())),
                FILES,
            ),
        })
    }

    fn system(
        flow: Arc<Flow>,
        requests: Arc<SystemDestination>,
        client: SystemClient,
    ) -> Destination {
        let (means, concurrency) = (means(&requests), client.concurrency());
        let many = BatchRequests {
            client: client.clone(),
            flow: flow.name.clone(),
            requests: requests.clone(),
        };
        Destination {
            flow,
            requests,
            client: Some(client),
            many: Arc::new(many),
            means,
            concurrency,
        }
    }

    /// The same, whose requests go first or leave others their turns.
    pub fn in_lane(&self, lane: Lane) -> Destination {
        match &self.client {
            Some(client) => Destination::system(
                self.flow.clone(),
                self.requests.clone(),
                client.in_lane(lane),
            ),
            None => self.clone(),
        }
    }

    /// What takes records by their keys, together, and as often as one likes.
    pub(crate) fn by_key(flow: Arc<Flow>, many: Arc<dyn Many>, concurrency: usize) -> Destination {
        let means = Means {
            creates: true,
            updates: true,
            deletes: flow.load.deletes(),
            lookup: false,
            looks_first: false,
            id_is_key: true,
            repeats: Repeats::Always,
        };
        Destination {
            flow,
            requests: Arc::default(),
            client: None,
            many,
            means,
            concurrency,
        }
    }

    /// A record of this content at work, and the first step, as the ledger's answer allows.
    pub fn begin<'a>(
        &'a self,
        batch: &'a Batch,
        record: &'a Record,
        hash: &'a ContentHash,
        answer: &ClaimResult,
        permit: SendPermit<'a>,
    ) -> (Box<Act<'a>>, Step) {
        let known = answer.known().cloned().unwrap_or_default();
        let case = Case {
            key: &record.key,
            op: record.op,
            doubt: Doubt::of(answer, hash),
            under_way: is_under_way(answer),
            was_there: known.id.is_some(),
            means: self.means,
        };
        (
            Box::new(Act::new(self, batch, record, hash, case, known, permit)),
            case.first(answer),
        )
    }

    /// Whether a step is taken for many records together.
    pub(crate) fn takes_together(&self, step: &Step) -> bool {
        Kind::of(step).is_some_and(|kind| self.many.takes(kind).is_some())
    }

    /// How long what was asked of it may still be under way there after it was given up: as long again as it
    /// was waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.client
            .as_ref()
            .map_or(Duration::ZERO, SystemClient::timeout)
    }

    /// Which failures of a batch cost no attempt that was begun then, when the system was down or not.
    pub(crate) fn spares(&self, batch: &Batch, began: Instant, was_down: bool) -> AttemptCharging {
        let spares = |client: &SystemClient| client.attempt_charging(batch, began, was_down);
        self.client
            .as_ref()
            .map_or(AttemptCharging::EveryFailure, spares)
    }

    /// The system's client.
    pub(crate) fn client(&self) -> Result<&SystemClient, Failure> {
        let none = || {
            Failure::new(
                FailureClass::Invalid,
                "the flow does not write to a system".into(),
            )
        };
        self.client.as_ref().ok_or_else(none)
    }
}

/// Closed while the system is down. What is no system has no requests to count failures of.
#[async_trait]
impl Backpressure for Destination {
    fn is_closed(&self) -> bool {
        self.client.as_ref().is_some_and(SystemClient::is_down)
    }

    async fn closed(&self) {
        match &self.client {
            Some(client) => client.until_down(true).await,
            None => std::future::pending().await,
        }
    }

    async fn opened(&self) {
        if let Some(client) = &self.client {
            client.until_down(false).await;
        }
    }

    async fn ready(&self) {
        if let Some(client) = &self.client {
            client.until_ready().await;
        }
    }
}

fn means(requests: &SystemDestination) -> Means {
    Means {
        creates: requests.create.is_some(),
        updates: requests.update.is_some(),
        deletes: requests.delete.is_some(),
        lookup: requests.lookup.is_some(),
        looks_first: requests
            .lookup
            .as_ref()
            .is_some_and(|lookup| lookup.before_create),
        id_is_key: requests.id_is_key(),
        repeats: repeats(requests),
    }
}

fn repeats(requests: &SystemDestination) -> Repeats {
    let ignored = requests
        .create
        .as_ref()
        .is_some_and(|create| create.idempotency_header.is_some());
    match (requests.creates_may_repeat(), ignored) {
        (true, _) => Repeats::Always,
        (false, true) => Repeats::SameContent,
        (false, false) => Repeats::Never,
    }
}
