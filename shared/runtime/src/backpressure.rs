//! Backpressure from a system to the queues whose records go there.

use async_trait::async_trait;

/// Tells a worker if the destination of its requests is down: then it takes no messages.
#[async_trait]
pub trait Backpressure: Send + Sync {
    /// True while the circuit breaker is open: messages stay in their queue.
    fn is_down(&self) -> bool;

    /// Waits until the circuit breaker is open.
    async fn until_down(&self);

    /// Waits until the circuit breaker is closed.
    async fn until_up(&self);

    /// Waits until messages may be taken, or until it is time to probe the system with one message.
    async fn until_ready(&self);
}

/// The backpressure of a stage that sends no requests: its worker may always take messages.
pub struct NoBackpressure;

#[async_trait]
impl Backpressure for NoBackpressure {
    fn is_down(&self) -> bool {
        false
    }

    async fn until_down(&self) {
        std::future::pending().await
    }

    async fn until_up(&self) {}

    async fn until_ready(&self) {}
}
