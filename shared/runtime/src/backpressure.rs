//! Backpressure from a system to the queues whose records go there.

use async_trait::async_trait;

/// Says whether a worker may take messages, or whether the system that it sends requests to is down.
#[async_trait]
pub trait Backpressure: Send + Sync {
    /// True while messages are to stay in their queue.
    fn is_closed(&self) -> bool;

    /// Waits until messages are to stay in their queue.
    async fn until_closed(&self);

    /// Waits until messages may be taken.
    async fn until_open(&self);

    /// Waits until messages may be taken, or until it is time to probe the system with one message.
    async fn until_ready(&self);
}

/// The backpressure of a stage that sends no requests: its worker may always take messages.
pub struct NoBackpressure;

#[async_trait]
impl Backpressure for NoBackpressure {
    fn is_closed(&self) -> bool {
        false
    }

    async fn until_closed(&self) {
        std::future::pending().await
    }

    async fn until_open(&self) {}

    async fn until_ready(&self) {}
}
