//! The handler of the batches in `extract.<flow>`.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use pomost_broker::{Queue, Route};
use pomost_http::{RetryKey, RetryPolicy, SendPermit};
use pomost_models::{Batch, Record, Stage};
use pomost_runtime::{
    ServiceContext,
    backpressure::Backpressure,
    metrics, outbox,
    worker::{HandlerError, MessageHandler},
};
use tokio::time::Instant;

use super::{
    fetched_batch::FetchedBatch,
    record_fetch::{FetchOutcome, RecordFetch},
};
use crate::source::Source;

/// Period in which requests for one batch are begun. The rest of the batch is handed back, since a
/// delivery must be acknowledged within 10 minutes.
const REQUEST_PERIOD: Duration = Duration::from_secs(120);

/// Number of bytes of fetched records held of one batch. The rest of the batch is handed back.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;

/// Number of batches of one flow that are worked on at a time, at most. Each may be of a single
/// record.
const MAX_BATCHES: usize = 16;

/// Fetches the records that a source delivered to one flow, at the source's pace.
pub(crate) struct FetchHandler {
    pub(crate) context: ServiceContext,
    pub(crate) source: Source,
}

#[async_trait]
impl MessageHandler for FetchHandler {
    /// Publishes and awaits the confirms, records the outcomes; then the message is acknowledged. A
    /// crash in between has the records fetched again; they are published again as newer and
    /// unchanged.
    async fn handle(&self, mut batch: Batch) -> Result<(), HandlerError> {
        let (began, was_down) = (Instant::now(), self.is_down());
        let delivered = std::mem::take(&mut batch.records);
        let outcomes = self.fetch_all(&batch, &delivered).await;
        let mut retries = RetryPolicy::for_batch(&batch, self.source.flow.load.attempts);
        // Failures in an outage do not count as attempts of the records that met it.
        retries.charging = self.source.client.attempt_charging(&batch, began, was_down);
        let mut fetched = FetchedBatch::new(&self.source.flow, &batch, retries);
        delivered
            .into_iter()
            .zip(outcomes)
            .for_each(|(delivered, outcome)| fetched.add(delivered, outcome));
        fetched.log_failures();
        self.pass_on(fetched).await
    }

    fn backpressure(&self) -> &dyn Backpressure {
        self
    }
}

impl FetchHandler {
    /// Number of batches worked on at a time, so that as many requests are in flight as the source
    /// takes.
    pub(crate) fn concurrency(&self) -> usize {
        self.source.client.concurrency().clamp(1, MAX_BATCHES)
    }

    /// Asks about each record, and returns the outcomes in the records' order. At shutdown,
    /// requests in flight are cut off: they only read.
    async fn fetch_all(&self, batch: &Batch, delivered: &[Record]) -> Vec<FetchOutcome> {
        let (until, held_bytes) = (Instant::now() + REQUEST_PERIOD, AtomicUsize::new(0));
        let shutdown = &self.context.shutdown;
        let has_room = || held_bytes.load(Ordering::Relaxed) < MAX_HELD_BYTES;
        let may_begin = || Instant::now() < until && has_room() && !shutdown.is_cancelled();
        let permit = SendPermit::as_long_as(&may_begin);
        let fetch = &RecordFetch::new(&self.source, batch, permit);
        let fetches: Vec<_> = delivered
            .iter()
            .enumerate()
            .map(|(place, delivered)| async move { (place, fetch.fetch(delivered).await) })
            .collect();
        let fetches = stream::iter(fetches).buffer_unordered(self.source.client.concurrency());
        let mut fetches = pin!(fetches.take_until(shutdown.cancelled()));
        let mut outcomes: Vec<FetchOutcome> =
            delivered.iter().map(|_| FetchOutcome::NotAsked).collect();
        while let Some((place, outcome)) = fetches.next().await {
            held_bytes.fetch_add(outcome.bytes(), Ordering::Relaxed);
            outcomes[place] = outcome;
        }
        outcomes
    }

    async fn pass_on(&self, fetched: FetchedBatch<'_>) -> Result<(), HandlerError> {
        let (backends, flow) = (&self.context.backends, &*self.source.flow);
        let extracted = fetched.records.len() + fetched.letters.len();
        let batch = fetched.batch;
        // The attempts so far were attempts at the source; the next stage counts its own.
        let next = Batch {
            attempt: 0,
            waits: 0,
            ..batch.with_records(fetched.records)
        };
        let next: &[&Batch] = if next.records.is_empty() {
            &[]
        } else {
            &[&next]
        };
        outbox::publish_entering(backends, flow, Stage::Transform, next, &fetched.letters).await?;
        for (retry, delivered) in fetched.retries {
            self.retry(batch, retry, delivered).await?;
        }
        if !fetched.outcomes.is_all_unsettled() {
            backends
                .store
                .record_outcomes(batch.run, &batch.id, &fetched.outcomes)
                .await?;
        }
        metrics::count_extracted(&flow.name, extracted);
        Ok(())
    }

    async fn retry(
        &self,
        batch: &Batch,
        retry: RetryKey,
        delivered: Vec<Record>,
    ) -> Result<(), HandlerError> {
        let route = Route::delayed(Queue::for_batch(Stage::Extract, batch), retry.delay);
        let batch = retry.batch(batch, delivered);
        Ok(outbox::publish_batches(self.context.broker(), &route, &[&batch]).await?)
    }
}

/// Closed while the source is down.
#[async_trait]
impl Backpressure for FetchHandler {
    fn is_down(&self) -> bool {
        self.source.client.is_down()
    }

    async fn until_down(&self) {
        self.source.client.until_down(true).await;
    }

    async fn until_up(&self) {
        self.source.client.until_down(false).await;
    }

    async fn until_ready(&self) {
        self.source.client.until_ready().await;
    }
}
