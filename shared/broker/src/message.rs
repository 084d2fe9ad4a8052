//! What travels: opaque bytes and a few properties.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Queue, Result};

/// A message to publish, or as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the message for people; nothing depends on it being unique.
    pub id: String,
    /// What the body is, such as [`pomost_models::batch::BATCH_TYPE`].
    pub kind: String,
    /// The body.
    pub body: Bytes,
    /// The W3C trace context (`traceparent`) of whoever published it.
    pub traceparent: Option<String>,
}

/// A message that was taken from a queue and is to be acknowledged.
///
/// There is no way to refuse one: what cannot be settled is published elsewhere (to a delay, to the
/// dead letters) and then acknowledged, because on some brokers a refusal counts as a failure of
/// the message. Dropping a delivery leaves it unacknowledged until its consumer goes away.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Set by the broker on a message that it moved to the dead letters by itself, because its
    /// consumers kept dying on it: the queue it came from, as [`crate::Queue`] writes it.
    pub poisoned: Option<Queue>,
    /// Whether the message may have been delivered before.
    pub redelivered: bool,
    pub(crate) acknowledger: Box<dyn Acknowledge>,
}

impl Delivery {
    /// Tells the broker that the message is settled and may be forgotten. An error means that it
    /// will be delivered again.
    pub async fn acknowledge(self) -> Result<()> {
        self.acknowledger.acknowledge().await
    }
}

/// Acknowledges one delivery on the channel it came by.
#[async_trait]
pub(crate) trait Acknowledge: Send {
    async fn acknowledge(self: Box<Self>) -> Result<()>;
}
