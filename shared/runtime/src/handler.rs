//! A stage's part of the work on a message.

use async_trait::async_trait;
use pomost_models::Batch;

use crate::backpressure::{Backpressure, NoBackpressure};

/// The work of a stage on a batch.
#[async_trait]
pub trait MessageHandler: Send + Sync + 'static {
    /// Settles the whole batch. When it returns `Ok`, every record's outcome, retry or dead letter
    /// has been confirmed by the broker or the store, and the message may be forgotten.
    ///
    /// An error comes from the broker or the store, never from a record: the batch is handed back
    /// unchanged and comes again.
    async fn handle(&self, batch: Batch) -> Result<(), HandlerError>;

    /// The backpressure of the system that the stage sends requests to.
    fn backpressure(&self) -> &dyn Backpressure {
        &NoBackpressure
    }
}

/// The reason for which a batch could not be settled now.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
}
