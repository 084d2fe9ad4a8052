//! What sources deliver by themselves.

use std::time::Duration;

use pomost_models::{RunId, webhook::DeliveryId};

/// Batches that a source delivered by itself and the broker has confirmed.
#[derive(Debug, Clone)]
pub struct WebhookArrival {
    /// The flow.
    pub flow: String,
    /// The run they belong to, from [`RunId::of_webhook`]; it is made where it does not exist.
    pub run: RunId,
    /// The batches, by id and size. A batch may grow: the longer size wins.
    pub batches: Vec<(String, u32)>,
    /// The deliveries they came with, as far as they can be told from others.
    pub deliveries: Vec<DeliveryId>,
    /// How long these are remembered.
    pub remembered_for: Duration,
}

/// How many deliveries that need not be remembered any more are forgotten with each arrival: more than
/// arrive with it, so that they do not pile up.
pub(crate) const FORGOTTEN: u32 = 200;
