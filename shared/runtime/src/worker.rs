//! The loop around every work queue: take a message, decode it, handle it, settle it.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff};
use futures_util::FutureExt;
use pomost_broker::{Consumer, Delivery, Error, Queue, Route};
use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Diagnosis, Lane, Stage, retry::growing_delay,
};
use tokio::task::JoinSet;
use tracing::{Instrument, Span, error, field, info_span, warn};

use crate::{
    ServiceContext, backoff::growing_pauses, dead_letters, metrics, publishing, shutdown, telemetry,
};

pub use crate::{
    batch_message::{decode, has_valid_slots, unreadable_letter},
    handler::{HandlerError, MessageHandler},
};

/// Number of deliveries taken for each batch that is worked on, so that no worker waits for the
/// broker.
const PREFETCH_FACTOR: u16 = 2;

/// The number of tries after which the delay of a batch that is handed back grows no more: it is 30
/// s then.
const LONGEST_HAND_BACK: u32 = 3;

/// The pauses between attempts grow from the first to the longest while the broker refuses.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Works on the queue of one stage and lane of one flow, `concurrency` batches at a time, until
/// shutdown. Then messages that were only taken are handed back, and batches in hand are finished
/// within [`shutdown::GRACE_PERIOD`]. While the handler's backpressure is closed, messages stay in
/// their queue, except one at a time that probes the system.
///
/// A message that brings a process down is redelivered, together with all other messages that the
/// process had taken. So redelivered messages are handled one at a time at first, so that only the
/// poison message uses up its deliveries.
pub async fn work(
    context: ServiceContext,
    flow: String,
    stage: Stage,
    lane: Lane,
    concurrency: usize,
    handler: Arc<dyn MessageHandler>,
) {
    let queue = Queue::in_lane(stage, flow, lane);
    let prefetch =
        PREFETCH_FACTOR * u16::try_from(concurrency).unwrap_or(u16::MAX / PREFETCH_FACTOR);
    let worker = QueueWorker {
        context,
        queue,
        stage,
        handler,
    };
    // With a prefetch of one the broker gives no second message before the first is settled.
    if let Some(consumer) = worker.consume(1).await {
        worker
            .work_on(consumer, 1, |delivery| !delivery.redelivered)
            .await;
        worker.probe_one_by_one().await;
    }
    while let Some(consumer) = worker.consume(prefetch).await {
        worker.work_on(consumer, concurrency, |_| false).await;
        worker.probe_one_by_one().await;
    }
}

/// Consumes a queue as soon as the broker allows it; `None` on shutdown.
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

/// Waits before the next attempt. A queue that somebody has deleted is declared again.
async fn pause_after(context: &ServiceContext, error: &Error, pauses: &mut ExponentialBackoff) {
    tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    if matches!(error, Error::Unroutable(_))
        && let Err(error) = context.declare().await
    {
        warn!(%error, "the queues cannot be declared again");
    }
}

#[derive(Clone)]
struct QueueWorker {
    context: ServiceContext,
    queue: Queue,
    stage: Stage,
    handler: Arc<dyn MessageHandler>,
}

impl QueueWorker {
    /// Works on messages until backpressure closes, on shutdown, or up to a message that is the
    /// last. Then hands back messages that were only taken.
    async fn work_on(
        &self,
        mut consumer: Box<dyn Consumer>,
        concurrency: usize,
        is_last: impl Fn(&Delivery) -> bool,
    ) {
        let mut in_hand = JoinSet::new();
        loop {
            tokio::select! {
                () = self.context.shutdown.cancelled() => break,
                () = self.handler.backpressure().until_down() => break,
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

    /// While backpressure is closed, takes one message each time the system may be probed. It holds
    /// no message in between: the broker would give a message that is held for long to another
    /// consumer.
    async fn probe_one_by_one(&self) {
        let backpressure = self.handler.backpressure();
        while backpressure.is_down() {
            if self
                .context
                .shutdown
                .run_until_cancelled(backpressure.until_ready())
                .await
                .is_none()
            {
                return;
            }
            let Some(mut consumer) = self.consume(1).await else {
                return;
            };
            let mut in_hand = JoinSet::new();
            if let Some(delivery) = self.next_probe(&mut *consumer).await {
                in_hand.spawn(self.clone().settle(delivery));
            }
            self.drain(consumer, in_hand).await;
        }
    }

    /// The next message, unless backpressure opens or shutdown comes before there is one.
    async fn next_probe(&self, consumer: &mut dyn Consumer) -> Option<Delivery> {
        tokio::select! {
            delivery = consumer.next() => delivery,
            () = self.handler.backpressure().until_up() => None,
            () = self.context.shutdown.cancelled() => None,
        }
    }

    async fn consume(&self, prefetch: u16) -> Option<Box<dyn Consumer>> {
        consume(&self.context, &self.queue, prefetch).await
    }

    /// Hands back messages that were only taken and finishes batches in hand: at shutdown within
    /// [`GRACE_PERIOD`](crate::shutdown::GRACE_PERIOD).
    async fn drain(&self, mut consumer: Box<dyn Consumer>, mut in_hand: JoinSet<()>) {
        consumer.stop().await;
        let finish = async {
            while let Some(delivery) = consumer.next().await {
                self.hand_back(delivery, 0).await;
            }
            while in_hand.join_next().await.is_some() {}
        };
        let overdue = async {
            self.context.shutdown.cancelled().await;
            tokio::time::sleep(shutdown::GRACE_PERIOD).await;
        };
        tokio::select! {
            () = finish => {}
            () = overdue => {
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

    /// The span of a batch, child of its publisher's span. Names and fields follow the
    /// OpenTelemetry conventions for messaging.
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
            Ok(Err(error)) => {
                warn!(%error, "handing the batch back");
                metrics::count_handed_back(&flow, self.stage);
                self.hand_back(delivery, waits + 1).await;
            }
            Err(_) => self.bury_poison(delivery).await,
        }
    }

    /// Publishes the message to a delay and acknowledges it. Until that has worked, the delivery
    /// stays unacknowledged, and it is redelivered only when the broker notices that this process
    /// has ended. So it is tried for as long as the process runs, with pauses that grow.
    async fn hand_back(&self, delivery: Delivery, waits: u32) {
        let mut message = delivery.message.clone();
        // A message that was only taken goes back unchanged.
        if let (true, Ok(mut batch)) = (waits > 0, decode(&delivery)) {
            batch.waits = waits;
            message.body = batch.encode().into();
        }
        let delay = growing_delay(waits.min(LONGEST_HAND_BACK));
        let route = Route::delayed(self.queue.clone(), delay);
        let mut pauses = pauses();
        while let Err(error) =
            publishing::publish(self.context.broker(), &route, vec![message.clone()]).await
        {
            error!(queue = %self.queue, %error, "a batch cannot be handed back; trying again");
            pause_after(&self.context, &error, &mut pauses).await;
        }
        acknowledge(delivery).await;
    }

    /// Makes dead letters of a batch on which the handler panicked: it would panic again.
    async fn bury_poison(&self, delivery: Delivery) {
        let Ok(mut batch) = decode(&delivery) else {
            return;
        };
        let diagnosis = Diagnosis::new(
            DeadLetterReason::Poison,
            format!(
                "the {} worker panicked on this record's batch; please report it",
                self.stage
            ),
        );
        let records = std::mem::take(&mut batch.records);
        let flow = self.context.letter_flow(&batch.flow);
        let letter = |record| {
            dead_letters::of_record(flow.clone(), &batch, record, self.stage, diagnosis.clone())
        };
        self.bury(delivery, records.into_iter().map(letter).collect())
            .await;
    }

    async fn bury_unreadable(&self, delivery: Delivery, reason: String) {
        error!(queue = %self.queue, error = reason, "a message cannot be read");
        let letter = unreadable_letter(&delivery, &self.queue, reason);
        self.bury(delivery, vec![letter]).await;
    }

    async fn bury(&self, delivery: Delivery, letters: Vec<DeadLetter>) {
        match dead_letters::publish(self.context.broker(), &letters).await {
            Ok(()) => acknowledge(delivery).await,
            Err(error) => {
                warn!(queue = %self.queue, %error, "handing a message back");
                self.hand_back(delivery, 0).await;
            }
        }
    }
}

fn pauses() -> ExponentialBackoff {
    growing_pauses(FIRST_PAUSE, LONGEST_PAUSE).build()
}

async fn acknowledge(delivery: Delivery) {
    if let Err(error) = delivery.acknowledge().await {
        warn!(%error, "a settled message will come again; the ledger absorbs it");
    }
}
