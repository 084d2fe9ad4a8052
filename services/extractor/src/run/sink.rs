//! The sink that takes a run's records.

use async_trait::async_trait;
use pomost_models::{Batch, DeadLetter, Stage};
use pomost_project::Flow;
use pomost_runtime::{ServiceContext, metrics, outbox, worker::HandlerError};
use pomost_store::{Lease, PageProgress};

use crate::error::Error;

/// Takes the records that a run reads. Reading knows nothing of queues: an implementation may as
/// well show the records, or collect them for a test.
#[async_trait]
pub trait RecordSink: Send + Sync {
    /// Takes batches of records, and dead letters for the rows that are no records. When it
    /// returns, they survive a crash of this process.
    async fn put(&self, batches: &[&Batch], letters: &[DeadLetter]) -> Result<(), Error>;

    /// Records progress, after everything before it was [put](RecordSink::put). `rows` is the
    /// number of rows that were read for good with it.
    async fn record_progress(&self, progress: &PageProgress, rows: u64) -> Result<(), Error>;
}

/// The transformer's queue, with the progress in the store.
pub struct QueueSink<'a> {
    pub context: &'a ServiceContext,
    pub flow: &'a Flow,
    pub lease: &'a Lease,
}

#[async_trait]
impl RecordSink for QueueSink<'_> {
    async fn put(&self, batches: &[&Batch], letters: &[DeadLetter]) -> Result<(), Error> {
        let backends = &self.context.backends;
        // A full queue is waited for without limit: a page that is given up is read again from its
        // first row.
        while let Err(error) =
            outbox::publish_entering(backends, self.flow, Stage::Transform, batches, letters).await
        {
            if !matches!(error, HandlerError::Broker(pomost_broker::Error::Full(_))) {
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn record_progress(&self, progress: &PageProgress, rows: u64) -> Result<(), Error> {
        let store = self.context.store();
        store.record_page(self.lease, progress).await?;
        metrics::count_extracted(&self.flow.name, rows as usize);
        Ok(())
    }
}
