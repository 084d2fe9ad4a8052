//! Messages: opaque bytes and a few properties.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Queue, Result};

/// A message to publish, or as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names the message for people; nothing depends on it being unique.
    pub id: String,
    /// The type of the body, such as [`pomost_models::batch::BATCH_TYPE`].
    pub kind: String,
    pub body: Bytes,
    /// The W3C trace context (`traceparent`) of its publisher.
    pub traceparent: Option<String>,
}

/// A message that was taken from a queue and is to be acknowledged.
///
/// A delivery cannot be refused: a message that cannot be settled is published elsewhere (to a
/// delay, to the dead letters) and then acknowledged, because on some brokers a refusal counts as a
/// failure of the message. Dropping a delivery leaves it unacknowledged until its consumer goes
/// away.
pub struct Delivery {
    pub message: Message,
    /// The queue that a poison message came from: its consumers kept dying on it, so the broker
    /// moved it to the dead letters by itself.
    pub poisoned: Option<Queue>,
    /// True when the message may have been delivered before.
    pub redelivered: bool,
    pub(crate) acknowledger: Box<dyn Acknowledge>,
}

impl Delivery {
    /// Tells the broker that the message is settled and may be forgotten. After an error the
    /// message will be delivered again.
    pub async fn acknowledge(self) -> Result<()> {
        self.acknowledger.acknowledge().await
    }
}

/// Acknowledges one delivery on the channel it came by.
#[async_trait]
pub(crate) trait Acknowledge: Send {
    async fn acknowledge(self: Box<Self>) -> Result<()>;
}
