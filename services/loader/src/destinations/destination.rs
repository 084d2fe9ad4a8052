//! The destination of one flow: a writer of some kind, and what follows from its kind.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_trait::async_trait;
use pomost_http::{AttemptCharging, BreakerTiming, CircuitBreaker, Clock, SystemClients};
use pomost_models::{Batch, Lane};
use pomost_project::{Flow, flow::LoadTarget};
use pomost_runtime::backpressure::Backpressure;
use pomost_store::Store;
use tokio::time::Instant;

use super::{
    DestinationWriter, RecordAction, files::FileWriter, system::SystemWriter, table::TableWriter,
};
use crate::decide::{Capabilities, CreateIdempotency, Decision};

/// The destination of one flow. Clones share connections.
#[derive(Clone)]
pub struct Destination {
    pub flow: Arc<Flow>,
    pub(crate) writer: Arc<dyn DestinationWriter>,
    pub(crate) capabilities: Capabilities,
}

impl Destination {
    /// Makes the destination of a flow. It connects when there is something to write.
    pub fn of(
        flow: &Arc<Flow>,
        clients: &SystemClients,
        store: &Arc<dyn Store>,
    ) -> anyhow::Result<Destination> {
        // Systems have breakers of their own.
        let breaker = || new_breaker(&flow.destination_name(), store);
        Ok(match &flow.load.target {
            LoadTarget::System(requests) => {
                let client = clients
                    .of(&requests.system)
                    .context("a flow's system has no client")?;
                let writer = SystemWriter::new(flow.clone(), requests.clone(), client.clone());
                Destination {
                    flow: flow.clone(),
                    capabilities: writer.capabilities(),
                    writer: Arc::new(writer),
                }
            }
            LoadTarget::Table(table) => {
                let writer = TableWriter::new(table.clone(), breaker())
                    .with_context(|| format!("the flow '{}', load.table", flow.name))?;
                Destination::by_key(flow.clone(), Arc::new(writer))
            }
            LoadTarget::Files(files) => Destination::by_key(
                flow.clone(),
                Arc::new(FileWriter::new(&flow.name, files.clone(), breaker())),
            ),
        })
    }

    /// A destination that finds records by their keys, so that writing one again changes nothing.
    pub(crate) fn by_key(flow: Arc<Flow>, writer: Arc<dyn DestinationWriter>) -> Destination {
        let capabilities = Capabilities {
            creates: true,
            updates: true,
            deletes: flow.load.deletes(),
            looks_up: false,
            looks_up_first: false,
            id_is_key: true,
            create_idempotency: CreateIdempotency::AnyContent,
        };
        Destination {
            flow,
            writer,
            capabilities,
        }
    }

    /// The same destination, whose requests have the priority of this lane.
    pub fn in_lane(&self, lane: Lane) -> Destination {
        Destination {
            writer: self
                .writer
                .in_lane(lane)
                .unwrap_or_else(|| self.writer.clone()),
            ..self.clone()
        }
    }

    /// True if a decision is carried out for many records by one write.
    pub(crate) fn takes_in_bulk(&self, decision: &Decision) -> bool {
        RecordAction::of(decision)
            .is_some_and(|(action, _)| self.writer.bulk_size(action).is_some())
    }

    /// Returns how long a write may still take effect after it was given up.
    pub(crate) fn in_doubt_for(&self) -> Duration {
        self.writer.in_doubt_for()
    }

    /// Decides which failures of a batch count towards its attempts. The batch's requests began at
    /// that moment, when the destination was down or not.
    pub(crate) fn attempt_charging(
        &self,
        batch: &Batch,
        began: Instant,
        was_down: bool,
    ) -> AttemptCharging {
        self.writer
            .breaker()
            .map_or(AttemptCharging::EveryFailure, |breaker| {
                breaker.attempt_charging(batch, began, was_down)
            })
    }
}

/// Closed while the destination's circuit breaker is open.
#[async_trait]
impl Backpressure for Destination {
    fn is_down(&self) -> bool {
        self.writer.breaker().is_some_and(CircuitBreaker::is_down)
    }

    async fn until_down(&self) {
        match self.writer.breaker() {
            Some(breaker) => breaker.until_down(true).await,
            None => std::future::pending().await,
        }
    }

    async fn until_up(&self) {
        if let Some(breaker) = self.writer.breaker() {
            breaker.until_down(false).await;
        }
    }

    async fn until_ready(&self) {
        if let Some(breaker) = self.writer.breaker() {
            breaker.until_ready().await;
        }
    }
}

/// Makes the circuit breaker of a destination that is no system.
pub(super) fn new_breaker(name: &str, store: &Arc<dyn Store>) -> CircuitBreaker {
    CircuitBreaker::new(name, store, &Clock::default(), BreakerTiming::default())
}
