//! The worker of `extract.<flow>`: asks the source about what it told.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use pomost_broker::{Queue, Route};
use pomost_http::{Failure, FailureSummary, RetryKey, RetryPolicy, SendPermit};
use pomost_models::{Batch, DeadLetter, DeadLetterReason, Outcome, Record, SlotOutcomes, Stage};
use pomost_project::Flow;
use pomost_runtime::{
    ServiceContext,
    dead::{self, Diagnosis},
    gate::Backpressure,
    metrics, outbox,
    worker::{HandlerError, MessageHandler},
};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    asking::{Asking, End},
    extraction::Source,
};

/// How long requests are begun for a batch. The rest is handed back: a delivery must be acknowledged within 10
/// minutes.
const AT_A_TIME: Duration = Duration::from_secs(120);

/// How many bytes of records are held of a batch. The rest is handed back.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;

/// Batches of one flow in hand at a most: each may be of one record.
const BATCHES: usize = 16;

/// Asks a source about the records that it told to one flow, at the source's pace.
pub struct FetchHandler {
    /// What to work with.
    pub context: ServiceContext,
    /// Where the records come from.
    pub source: Source,
}

#[async_trait]
impl MessageHandler for FetchHandler {
    /// Publish and await the confirms, record, acknowledge. A crash in between asks again, and what is
    /// published again is newer and unchanged.
    async fn handle(&self, mut batch: Batch) -> Result<(), HandlerError> {
        let (began, was_down) = (Instant::now(), self.is_closed());
        let told = std::mem::take(&mut batch.records);
        let ends = self.ends(&batch, &told).await;
        let mut tries = RetryPolicy::for_batch(&batch, self.source.flow.load.attempts);
        tries.charging = self.source.client.attempt_charging(&batch, began, was_down);
        let mut fetched = Fetched::nothing_of(&self.source.flow, &batch);
        told.into_iter()
            .zip(ends)
            .for_each(|(told, end)| fetched.add(told, end, tries));
        for (class, records, example) in fetched.troubles.by_class() {
            warn!(class, records, example, "requests failed");
        }
        self.pass_on(fetched).await
    }

    fn gate(&self) -> &dyn Backpressure {
        self
    }
}

impl FetchHandler {
    /// How many batches are worked on at a time, so that as many requests are in flight as the source takes.
    pub fn concurrency(&self) -> usize {
        self.source.client.concurrency().clamp(1, BATCHES)
    }

    /// What came of asking about each, in their order. At the end of the process what is in flight is cut off:
    /// it only reads.
    async fn ends(&self, batch: &Batch, told: &[Record]) -> Vec<End> {
        let (until, held, shutdown) = (
            Instant::now() + AT_A_TIME,
            AtomicUsize::new(0),
            &self.context.shutdown,
        );
        let has_room = || held.load(Ordering::Relaxed) < TOGETHER_BYTES;
        let may_begin = || Instant::now() < until && has_room() && !shutdown.is_cancelled();
        let asking = &Asking::about(&self.source, batch, SendPermit::as_long_as(&may_begin));
        let asked: Vec<_> = told
            .iter()
            .enumerate()
            .map(|(place, told)| async move { (place, asking.end(told).await) })
            .collect();
        let asked = stream::iter(asked).buffer_unordered(self.source.client.concurrency());
        let mut asked = pin!(asked.take_until(shutdown.cancelled()));
        let mut ends: Vec<End> = told.iter().map(|_| End::NotNow).collect();
        while let Some((place, end)) = asked.next().await {
            held.fetch_add(end.bytes(), Ordering::Relaxed);
            ends[place] = end;
        }
        ends
    }

    async fn pass_on(&self, fetched: Fetched<'_>) -> Result<(), HandlerError> {
        let Fetched {
            batch,
            records,
            letters,
            outcomes,
            again,
            ..
        } = fetched;
        let (backends, flow) = (&self.context.backends, &*self.source.flow);
        let extracted = records.len() + letters.len();
        // Their attempts were the source's.
        let next = Batch {
            attempt: 0,
            waits: 0,
            ..batch.with_records(records)
        };
        let next: &[&Batch] = if next.records.is_empty() {
            &[]
        } else {
            &[&next]
        };
        outbox::enter(backends, flow, Stage::Transform, next, &letters).await?;
        for (again, told) in again {
            let RetryKey {
                delay,
                attempt,
                waits,
            } = again;
            let route = Route::delayed(Queue::of(Stage::Extract, batch), delay);
            outbox::send(
                &*backends.broker,
                &route,
                &[&Batch {
                    attempt,
                    waits,
                    ..batch.with_records(told)
                }],
            )
            .await?;
        }
        if !outcomes.is_all_unsettled() {
            backends
                .store
                .record_outcomes(batch.run, &batch.id, &outcomes)
                .await?;
        }
        metrics::count_extracted(&flow.name, extracted);
        Ok(())
    }
}

/// Closed while the source is down.
#[async_trait]
impl Backpressure for FetchHandler {
    fn is_closed(&self) -> bool {
        self.source.client.is_down()
    }

    async fn closed(&self) {
        self.source.client.until_down(true).await;
    }

    async fn opened(&self) {
        self.source.client.until_down(false).await;
    }

    async fn ready(&self) {
        self.source.client.until_ready().await;
    }
}

/// What came of a batch.
struct Fetched<'a> {
    flow: &'a Flow,
    /// The batch, without its records.
    batch: &'a Batch,
    /// What the source has, each in the slot of what was told of it.
    records: Vec<Record>,
    /// What is given up.
    letters: Vec<DeadLetter>,
    /// The slots that end here.
    outcomes: SlotOutcomes,
    /// What is to be asked about again.
    again: BTreeMap<RetryKey, Vec<Record>>,
    troubles: FailureSummary,
}

impl<'a> Fetched<'a> {
    fn nothing_of(flow: &'a Flow, batch: &'a Batch) -> Fetched<'a> {
        let (records, letters, again, troubles) = Default::default();
        Fetched {
            flow,
            batch,
            records,
            letters,
            outcomes: SlotOutcomes::unsettled(0),
            again,
            troubles,
        }
    }

    fn add(&mut self, told: Record, end: End, tries: RetryPolicy) {
        match end {
            End::Record(record) => self.records.push(record),
            End::LeftOut => {
                self.outcomes.settle(told.slot, Outcome::Filtered);
                metrics::count_settled(&self.batch.flow, Stage::Extract, Outcome::Filtered, 1);
            }
            End::Refused(record, diagnosis) => self.bury(record, diagnosis),
            End::NotNow => self.come_again(told, tries.retry_soon()),
            End::Failed(failure) => self.fail(told, failure, tries),
        }
    }

    fn fail(&mut self, told: Record, failure: Failure, tries: RetryPolicy) {
        self.troubles.add(&failure);
        match tries.after(&failure) {
            Some(again) => self.come_again(told, again),
            None => {
                let error = failure.with_title();
                self.bury(
                    told,
                    Diagnosis {
                        reason: DeadLetterReason::Transient,
                        error,
                        pointer: None,
                    },
                );
            }
        }
    }

    fn come_again(&mut self, told: Record, again: RetryKey) {
        self.again.entry(again).or_default().push(told);
    }

    fn bury(&mut self, record: Record, diagnosis: Diagnosis) {
        let under = Some(self.flow.into());
        self.letters.push(dead::letter(
            under,
            self.batch,
            record,
            Stage::Extract,
            diagnosis,
        ));
    }
}
