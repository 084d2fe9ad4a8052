//! Whether a worker may take messages.

use async_trait::async_trait;

/// Whether a worker may take messages: what it makes of them may have nowhere to go.
#[async_trait]
pub trait Backpressure: Send + Sync {
    /// Whether messages are to stay where they are.
    fn is_closed(&self) -> bool;

    /// Waits until it is closed.
    async fn closed(&self);

    /// Waits until it is open.
    async fn opened(&self);

    /// Waits until it is open, or until it is time to try with one message whether it could be.
    async fn ready(&self);
}

/// A gate that is always open.
pub struct NoBackpressure;

#[async_trait]
impl Backpressure for NoBackpressure {
    fn is_closed(&self) -> bool {
        false
    }

    async fn closed(&self) {
        std::future::pending().await
    }

    async fn opened(&self) {}

    async fn ready(&self) {}
}
