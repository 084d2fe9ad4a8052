//! The broker on RabbitMQ 3.10 and later.
//!
//! Reading order: `topology` (what there is), `declare` (making it), `connection`, `properties`
//! (a message as RabbitMQ carries it), `publisher`, `consumer`.

mod connection;
mod consumer;
mod declare;
mod properties;
mod publisher;
mod topology;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Broker, Consumer, Message, Queue, QueueLimits, Result, Route};
use connection::{Address, Link};
use consumer::{RabbitMqConsumer, Source};
use publisher::Publisher;
use topology::Topology;

/// Lapin logs messages that no queue took, with their bodies, as warnings under this target. Whoever
/// sets up logging is to switch it off whatever the user asks for, and everything of lapin below
/// `debug`: bodies hold people's records.
pub const LOG_TARGET_WITH_BODIES: &str = "lapin::returned_messages";

/// Queues on a RabbitMQ, reached by one connection that publishes and one that consumes.
pub struct RabbitMq {
    topology: Topology,
    consuming: Arc<Link>,
    publisher: Publisher,
}

impl RabbitMq {
    /// Connects to `amqp://` or `amqps://user:password@host:port/vhost`. All names begin with the
    /// namespace. An error never holds the password.
    pub async fn connect(url: &str, namespace: &str) -> Result<RabbitMq> {
        Self::connect_with(url, namespace, QueueLimits::default()).await
    }

    /// [`RabbitMq::connect`], with other limits for the queues it declares.
    pub async fn connect_with(url: &str, namespace: &str, limits: QueueLimits) -> Result<RabbitMq> {
        let address = Address::parse(url)?;
        let publishing = Arc::new(Link::new(&address, "publishing")?);
        let consuming = Arc::new(Link::new(&address, "consuming")?);
        let publisher = Publisher::new(publishing)?;
        let broker = RabbitMq {
            topology: Topology::new(namespace, limits),
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
            .publish(&self.topology.destination(route), &messages)
            .await
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let source = Source {
            link: Arc::clone(&self.consuming),
            topology: self.topology.clone(),
            queue: queue.clone(),
            prefetch,
        };
        Ok(Box::new(RabbitMqConsumer::open(source).await?))
    }
}
