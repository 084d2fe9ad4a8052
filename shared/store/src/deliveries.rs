//! Deliveries: the requests that sources sent to the webhooks of flows.

use std::time::Duration;

use async_trait::async_trait;
use pomost_models::{RunId, webhook::DeliveryId};

use crate::Result;

/// Records deliveries and recognises repetitions.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// For each of these deliveries to a flow, in their order: true where it is remembered.
    async fn known_deliveries(&self, flow: &str, deliveries: &[DeliveryId]) -> Result<Vec<bool>>;

    /// Records in one transaction what arrived at a webhook: its batches, its deliveries, and its
    /// run, which counts as read to its end from its first batch on. Forgets some deliveries that
    /// were remembered long enough.
    async fn record_arrival(&self, arrival: &WebhookArrival) -> Result<()>;
}

/// Batches that came to a webhook and that the broker has confirmed.
#[derive(Debug, Clone)]
pub struct WebhookArrival {
    pub flow: String,
    /// The run that the batches belong to, from [`RunId::of_webhook`]. It is created where it does
    /// not exist.
    pub run: RunId,
    /// Id and size of each batch. A batch may grow: the larger size wins.
    pub batches: Vec<(String, u32)>,
    /// The deliveries that the batches came with, as far as these have an id.
    pub deliveries: Vec<DeliveryId>,
    pub remembered_for: Duration,
}

/// Number of expired deliveries that are deleted with each arrival. It is more than arrive
/// together, so that expired ones do not pile up.
pub(crate) const FORGOTTEN_PER_ARRIVAL: u32 = 200;
