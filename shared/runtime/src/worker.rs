//! The loop around every work queue: take, decode, handle, settle.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::FutureExt;
use pomost_broker::{Consumer, Delivery, Error, Queue, Route};
use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Lane, Record, RunId, Stage, batch::BATCH_TYPE,
    retry::growing_delay,
};
use tokio::task::JoinSet;
use tracing::{Instrument, Span, error, field, info_span, warn};

use crate::{
    ServiceContext,
    dead::{self, Diagnosis},
    gate::{Backpressure, NoBackpressure},
    metrics, outbox, shutdown, telemetry,
};

/// Deliveries taken ahead for each batch that is worked on, so that no worker waits for the broker.
const AHEAD: u16 = 2;

/// The longest delay of a batch that is handed back, as a number of tries: level 30 s.
const LONGEST_HAND_BACK: u32 = 3;

/// The pauses between attempts where the broker refuses.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The most slots a batch may have: a whole batch split by its mapping, and no mistake.
const MAX_SIZE: u32 = 1 << 24;

/// What a stage does with a batch.
#[async_trait]
pub trait MessageHandler: Send + Sync + 'static {
    /// Settles the whole batch: when it returns `Ok`, every record's outcome, retry or dead letter
    /// has been confirmed by the broker or the store, and the message may be forgotten.
    ///
    /// A `Trouble` is of the broker or the store, never of a record: the batch is handed back
    /// unchanged and comes again.
    async fn handle(&self, batch: Batch) -> Result<(), HandlerError>;

    /// Whether there is a point in taking batches.
    fn gate(&self) -> &dyn Backpressure {
        &NoBackpressure
    }
}

/// Why a batch could not be settled now.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
}

/// Works on the queue of one stage and lane of one flow, `concurrency` batches at a time, until shutdown:
/// then what was only taken is handed back, and what is in hand is finished within
/// [`shutdown::GRACE`]. While the handler's gate is closed the messages stay in their queue, but for one
/// at a time to try with.
///
/// What brings a process down comes again, and so does all that it had taken. Each of those is taken alone at
/// first, so that only the one at fault comes too often.
pub async fn work(
    context: ServiceContext,
    flow: String,
    stage: Stage,
    lane: Lane,
    concurrency: usize,
    handler: Arc<dyn MessageHandler>,
) {
    let queue = Queue::in_lane(stage, flow, lane);
    let prefetch = AHEAD * u16::try_from(concurrency).unwrap_or(u16::MAX / AHEAD);
    let worker = Worker {
        context,
        queue,
        stage,
        handler,
    };
    if let Some(consumer) = worker.consume(1).await {
        worker
            .take(consumer, 1, |delivery| !delivery.redelivered)
            .await;
        worker.try_one_by_one().await;
    }
    while let Some(consumer) = worker.consume(prefetch).await {
        worker.take(consumer, concurrency, |_| false).await;
        worker.try_one_by_one().await;
    }
}

/// Consumes a queue, when the broker lets us; nothing where everything is to end.
pub async fn consume(
    context: &ServiceContext,
    queue: &Queue,
    prefetch: u16,
) -> Option<Box<dyn Consumer>> {
    let consuming = async {
        let mut pauses = pauses();
        loop {
            match context.broker().consume(queue, prefetch).await {
                Ok(consumer) => return consumer,
                Err(error) => {
                    warn!(%queue, %error, "not consuming yet; trying again");
                    pause_after(context, &error, &mut pauses).await;
                }
            }
        }
    };
    context.shutdown.run_until_cancelled(consuming).await
}

/// Somebody may have deleted a queue: then it is declared again.
async fn pause_after(context: &ServiceContext, error: &Error, pauses: &mut ExponentialBackoff) {
    tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    if matches!(error, Error::Unroutable(_))
        && let Err(error) = context.declare().await
    {
        warn!(%error, "the queues cannot be declared again");
    }
}

#[derive(Clone)]
struct Worker {
    context: ServiceContext,
    queue: Queue,
    stage: Stage,
    handler: Arc<dyn MessageHandler>,
}

impl Worker {
    /// Takes messages until the gate closes, everything is to end or one is the last; then hands back what was only
    /// taken.
    async fn take(
        &self,
        mut consumer: Box<dyn Consumer>,
        concurrency: usize,
        is_last: impl Fn(&Delivery) -> bool,
    ) {
        let mut in_hand = JoinSet::new();
        loop {
            tokio::select! {
                () = self.context.shutdown.cancelled() => break,
                () = self.handler.gate().closed() => break,
                Some(_) = in_hand.join_next() => {}
                delivery = consumer.next(), if in_hand.len() < concurrency => match delivery {
                    Some(delivery) => {
                        let is_last = is_last(&delivery);
                        in_hand.spawn(self.clone().settle(delivery));
                        if is_last {
                            break;
                        }
                    }
                    None => break,
                },
            }
        }
        self.drain(consumer, in_hand).await;
    }

    /// While the gate is closed, takes a message each time one may be tried. Until then it holds none: what
    /// is held for long, the broker gives to somebody else.
    async fn try_one_by_one(&self) {
        let gate = self.handler.gate();
        while gate.is_closed() {
            if self
                .context
                .shutdown
                .run_until_cancelled(gate.ready())
                .await
                .is_none()
            {
                return;
            }
            let Some(mut consumer) = self.consume(1).await else {
                return;
            };
            let mut in_hand = JoinSet::new();
            if let Some(delivery) = self.next_to_try(&mut *consumer).await {
                in_hand.spawn(self.clone().settle(delivery));
            }
            self.drain(consumer, in_hand).await;
        }
    }

    /// The next message, unless the gate opens or everything is to end before there is one.
    async fn next_to_try(&self, consumer: &mut dyn Consumer) -> Option<Delivery> {
        tokio::select! {
            delivery = consumer.next() => delivery,
            () = self.handler.gate().opened() => None,
            () = self.context.shutdown.cancelled() => None,
        }
    }

    async fn consume(&self, prefetch: u16) -> Option<Box<dyn Consumer>> {
        consume(&self.context, &self.queue, prefetch).await
    }

    /// Hands back what was only taken and finishes what is in hand: where everything is to end, as far as
    /// there is time.
    async fn drain(&self, mut consumer: Box<dyn Consumer>, mut in_hand: JoinSet<()>) {
        consumer.stop().await;
        let finish = async {
            while let Some(delivery) = consumer.next().await {
                self.hand_back(delivery, 0).await;
            }
            while in_hand.join_next().await.is_some() {}
        };
        let too_late = async {
            self.context.shutdown.cancelled().await;
            tokio::time::sleep(shutdown::GRACE).await;
        };
        tokio::select! {
            () = finish => {}
            () = too_late => {
                warn!(queue = %self.queue, "leaving work unfinished; another worker takes it up");
            }
        }
    }

    async fn settle(self, delivery: Delivery) {
        match decode(&delivery) {
            Ok(batch) => {
                let span = self.span(&batch, &delivery);
                self.settle_batch(delivery, batch).instrument(span).await;
            }
            Err(reason) => self.bury_unreadable(delivery, reason).await,
        }
    }

    /// The span of a batch, child of whoever published it; names and fields by the OpenTelemetry
    /// messaging conventions.
    fn span(&self, batch: &Batch, delivery: &Delivery) -> Span {
        let span = info_span!(
            target: telemetry::STAGE_SPANS,
            "batch",
            otel.name = %format_args!("process {}", self.queue),
            otel.kind = "consumer",
            messaging.system = self.context.broker().system(),
            messaging.operation.name = "process",
            messaging.operation.r#type = "process",
            messaging.destination.name = %self.queue,
            messaging.message.id = %delivery.message.id,
            messaging.batch.message_count = batch.records.len(),
            stage = %self.stage,
            flow = %batch.flow,
            run = %batch.run,
            batch = %batch.id,
            attempt = batch.attempt,
            trace_id = field::Empty,
        );
        telemetry::continue_trace(&span, delivery.message.traceparent.as_deref());
        span
    }

    async fn settle_batch(&self, delivery: Delivery, batch: Batch) {
        let started = Instant::now();
        let (flow, waits) = (batch.flow.clone(), batch.waits);
        match AssertUnwindSafe(self.handler.handle(batch))
            .catch_unwind()
            .await
        {
            Ok(Ok(())) => {
                metrics::count_batch(&flow, self.stage, started.elapsed());
                acknowledge(delivery).await;
            }
            Ok(Err(trouble)) => {
                warn!(error = %trouble, "handing the batch back");
                metrics::count_handed_back(&flow, self.stage);
                self.hand_back(delivery, waits + 1).await;
            }
            Err(_) => self.bury_poison(delivery).await,
        }
    }

    /// Publishes the message to a delay and acknowledges it. If even that fails the delivery stays
    /// unacknowledged and comes again when the broker notices that we are gone, so it is tried for
    /// as long as the process runs, with pauses that grow. Somebody may have deleted the delay.
    async fn hand_back(&self, delivery: Delivery, waits: u32) {
        let mut message = delivery.message.clone();
        if let (true, Ok(mut batch)) = (waits > 0, decode(&delivery)) {
            batch.waits = waits;
            message.body = batch.encode().into();
        }
        let delay = growing_delay(waits.min(LONGEST_HAND_BACK));
        let route = Route::delayed(self.queue.clone(), delay);
        let mut pauses = pauses();
        while let Err(error) =
            outbox::publish(self.context.broker(), &route, vec![message.clone()]).await
        {
            error!(queue = %self.queue, %error, "a batch cannot be handed back; trying again");
            pause_after(&self.context, &error, &mut pauses).await;
        }
        acknowledge(delivery).await;
    }

    /// A handler that panics on a batch would do so again: its records become dead letters.
    async fn bury_poison(&self, delivery: Delivery) {
        let Ok(mut batch) = decode(&delivery) else {
            return;
        };
        let diagnosis = Diagnosis {
            reason: DeadLetterReason::Poison,
            error: format!(
                "the {} worker panicked on this record's batch; please report it",
                self.stage
            ),
            pointer: None,
        };
        let records = std::mem::take(&mut batch.records);
        let under = self.context.under(&batch.flow);
        let letter =
            |record| dead::letter(under.clone(), &batch, record, self.stage, diagnosis.clone());
        self.bury(delivery, records.into_iter().map(letter).collect())
            .await;
    }

    async fn bury_unreadable(&self, delivery: Delivery, reason: String) {
        error!(queue = %self.queue, error = reason, "a message cannot be read");
        let letter = unreadable(&delivery, &self.queue.to_string(), self.stage, reason);
        self.bury(delivery, vec![letter]).await;
    }

    async fn bury(&self, delivery: Delivery, letters: Vec<DeadLetter>) {
        match dead::publish(self.context.broker(), &letters).await {
            Ok(()) => acknowledge(delivery).await,
            Err(error) => {
                warn!(queue = %self.queue, %error, "handing a message back");
                self.hand_back(delivery, 0).await;
            }
        }
    }
}

/// The dead letter of a message that is no batch this version can read.
pub fn unreadable(delivery: &Delivery, queue: &str, stage: Stage, reason: String) -> DeadLetter {
    let body = String::from_utf8_lossy(&delivery.message.body);
    let flow = queue.split('.').nth(1).unwrap_or(queue);
    let died_at = jiff::Timestamp::now();
    DeadLetter {
        id: DeadLetter::id_of_message(&delivery.message.body, died_at),
        flow: flow.to_owned(),
        run: RunId(Default::default()),
        batch: String::new(),
        size: 0,
        stage,
        reason: DeadLetterReason::Unreadable,
        error: reason,
        pointer: None,
        attempts: 1,
        traceparent: delivery.message.traceparent.clone(),
        died_at,
        record: None,
        message: serde_json::value::to_raw_value(&body).ok(),
        flow_version: None,
        latest_only: false,
    }
}

/// The batch of a message. The error says what is wrong with it, without its content.
pub fn decode(delivery: &Delivery) -> Result<Batch, String> {
    let kind = &delivery.message.kind;
    if kind != BATCH_TYPE {
        return Err(format!(
            "expected a message of type {BATCH_TYPE}, found '{kind}'"
        ));
    }
    let batch: Batch = serde_json::from_slice(&delivery.message.body).map_err(|error| {
        format!(
            "not a batch: {:?} error at byte {}",
            error.classify(),
            error.column()
        )
    })?;
    match fits(batch.size, &batch.records) {
        true => Ok(batch),
        false => Err(format!(
            "a batch of {} slots does not fit its records",
            batch.size
        )),
    }
}

/// Whether a batch of so many slots may be, and has these records. Memory is reserved for every slot; a
/// message must not name its own amount.
pub fn fits<'a>(size: u32, records: impl IntoIterator<Item = &'a Record>) -> bool {
    size <= MAX_SIZE && records.into_iter().all(|record| record.slot < size)
}

fn pauses() -> ExponentialBackoff {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE);
    pauses.without_max_times().build()
}

async fn acknowledge(delivery: Delivery) {
    if let Err(error) = delivery.acknowledge().await {
        warn!(%error, "a settled message will come again; the ledger absorbs it");
    }
}
