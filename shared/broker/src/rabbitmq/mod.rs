//! The broker on RabbitMQ 3.10 and later.
//!
//! Reading order: `topology` (the exchanges and queues), `declare` (making them), `connection`,
//! `properties` (a message as RabbitMQ carries it), `publisher`, `consumer`.

mod connection;
mod consumer;
mod declare;
mod properties;
mod publisher;
mod topology;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Broker, Consumer, Message, Queue, QueueLimits, Result, Route};
use connection::{BrokerAddress, ServerLink};
use consumer::{ConsumerSource, RabbitMqConsumer};
use publisher::ConfirmingPublisher;
use topology::BrokerTopology;

/// The log target under which lapin warns of messages that no queue took, with their bodies. Bodies
/// hold people's records, so logging has to be set up without this target whatever the user asks
/// for, and without everything of lapin below `debug`.
pub const LOG_TARGET_WITH_BODIES: &str = "lapin::returned_messages";

/// Queues on a RabbitMQ, reached by one connection that publishes and one that consumes.
pub struct RabbitMq {
    topology: BrokerTopology,
    consuming: Arc<ServerLink>,
    publisher: ConfirmingPublisher,
}

impl RabbitMq {
    /// Connects to `amqp://` or `amqps://user:password@host:port/vhost`. All names begin with the
    /// namespace. An error never holds the password.
    pub async fn connect(url: &str, namespace: &str) -> Result<RabbitMq> {
        Self::connect_with(url, namespace, QueueLimits::default()).await
    }

    /// [`RabbitMq::connect`], with other limits for the queues it declares.
    pub async fn connect_with(url: &str, namespace: &str, limits: QueueLimits) -> Result<RabbitMq> {
        let address = BrokerAddress::parse(url)?;
        let publishing = Arc::new(ServerLink::new(&address, "publishing")?);
        let consuming = Arc::new(ServerLink::new(&address, "consuming")?);
        let publisher = ConfirmingPublisher::new(publishing)?;
        let broker = RabbitMq {
            topology: BrokerTopology::new(namespace, limits),
            consuming,
            publisher,
        };
        broker.ping().await?;
        Ok(broker)
    }

    /// Deletes the exchanges, and the queues of these flows with all that is in them.
    pub async fn delete_everything(&self, flows: &[String]) -> Result<()> {
        declare::delete(&self.consuming, &self.topology, flows).await
    }
}

#[async_trait]
impl Broker for RabbitMq {
    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    async fn ping(&self) -> Result<()> {
        let channel = self.consuming.open_channel().await?;
        channel
            .close(200, "OK".into())
            .await
            .map_err(|error| self.consuming.unavailable(error))
    }

    async fn declare(&self, flows: &[String]) -> Result<()> {
        declare::declare(&self.consuming, &self.topology, flows).await
    }

    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<()> {
        self.publisher
            .publish(&self.topology.target(route), &messages)
            .await
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let source = ConsumerSource {
            link: Arc::clone(&self.consuming),
            topology: self.topology.clone(),
            queue: queue.clone(),
            prefetch,
        };
        Ok(Box::new(RabbitMqConsumer::open(source).await?))
    }
}
