//! The queues between the services.
//!
//! [`Broker`] is the whole interface. [`rabbitmq`] and [`sqlite`] implement it, and one suite of
//! behaviours, `conformance` behind the feature `testing`, runs over both.

pub mod limits;
pub mod message;
pub mod rabbitmq;
pub mod route;
pub mod sqlite;

#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod testing;

use async_trait::async_trait;

pub use limits::QueueLimits;
pub use message::{Delivery, Message};
pub use rabbitmq::RabbitMq;
pub use route::{ParseQueueError, Queue, Route};
pub use sqlite::SqliteBroker;

/// Durable queues with confirmed publishing and redelivery.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// The kind of broker, by the OpenTelemetry conventions for `messaging.system`.
    fn system(&self) -> &'static str;

    /// Succeeds when the broker answers.
    async fn ping(&self) -> Result<()>;

    /// Declares the queues of these flows, the delays and the dead letter queue, unless they exist.
    /// [`Error::Incompatible`] when one exists with other properties.
    async fn declare(&self, flows: &[String]) -> Result<()>;

    /// Publishes messages, all along one route, and returns when the broker has stored every one of
    /// them. After an error some may have been stored: publishing again duplicates, and never
    /// loses.
    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<()>;

    /// Starts to take messages from a queue, at most `prefetch` of them unacknowledged.
    /// [`Error::Unroutable`] when there is no such queue.
    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>>;
}

/// A stream of deliveries that outlives the broker's restarts.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery. Waits while there is none and while the broker is away; messages that
    /// were delivered before it went away and are not acknowledged are delivered again. Cancelling
    /// the wait loses nothing. `None` only after [`Consumer::stop`], when everything taken has been
    /// returned.
    async fn next(&mut self) -> Option<Delivery>;

    /// Stops taking messages. Those taken already are still returned by [`Consumer::next`].
    async fn stop(&mut self);
}

/// The reason for which the broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A queue or exchange exists with other properties than those this version declares.
    #[error(
        "{what} exists with other properties: {reason}. Let it drain, then delete it and start again; or choose another \
         POMOST_NAMESPACE. A RabbitMQ older than 3.10 says this too, and cannot be used"
    )]
    Incompatible {
        /// The name of the queue or exchange.
        what: String,
        /// The broker's own words.
        reason: String,
    },
    /// The queue has as many messages as it may hold. Wait, then publish again.
    #[error("the queue {0} is full")]
    Full(Queue),
    /// No queue took a message: the flow is not declared, or somebody deleted its queue.
    #[error("no queue takes messages for {0}; restart a service to declare it")]
    Unroutable(Queue),
    /// The URL of the broker cannot be read, or a name is too long for it.
    #[error("the broker cannot be used like this: {reason}")]
    Settings {
        /// The mistake, and what was expected.
        reason: String,
    },
    /// The broker cannot be reached or failed; it may work later.
    #[error("the broker {place} does not answer: {reason}")]
    Unavailable {
        /// The broker's address, without a password.
        place: String,
        /// The words of the broker or the network.
        reason: String,
    },
}

/// The result of a call to the broker.
pub type Result<T> = std::result::Result<T, Error>;
