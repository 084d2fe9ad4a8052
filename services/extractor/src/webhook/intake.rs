//! Handing deliveries on: to the broker, then to the store.

use std::{collections::HashSet, sync::Arc, time::Duration};

use pomost_models::{Batch, RunId, Stage, webhook::DeliveryId};
use pomost_project::{Flow, webhook::WebhookRules};
use pomost_runtime::{ServiceContext, metrics, outbox, telemetry, worker::HandlerError};
use pomost_store::WebhookArrival;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span, warn};

use super::{
    Limits, TOGETHER,
    answer::{Accepted, Refusal},
    asks,
    delivery::Delivery,
    made::{Made, Open},
};

/// Where the deliveries to one flow are put.
pub(super) struct Intake {
    waiting: mpsc::Sender<Waiting>,
}

/// A delivery whose sender waits.
struct Waiting {
    delivery: Delivery,
    span: Span,
    done: oneshot::Sender<Result<Accepted, Refusal>>,
}

impl Intake {
    /// An intake, and the task that hands on what is put there until the intake is dropped.
    pub(super) fn new(
        context: ServiceContext,
        flow: Arc<Flow>,
        webhook: &WebhookRules,
        limits: Limits,
    ) -> (Intake, impl Future<Output = ()> + Send + use<>) {
        let (sender, receiver) = mpsc::channel(limits.connections);
        let stage = if asks(&flow, webhook).is_some() {
            Stage::Extract
        } else {
            Stage::Transform
        };
        let gathering = Gathering {
            context,
            flow,
            stage,
            patience: limits.patience,
            open: None,
        };
        (Intake { waiting: sender }, gathering.gather(receiver))
    }

    /// Returns when the delivery's records are with the broker and counted, or when they cannot be.
    pub(super) async fn take(&self, delivery: Delivery) -> Result<Accepted, Refusal> {
        if delivery.records.is_empty() && delivery.refused.is_empty() {
            return Ok(Accepted::Taken);
        }
        let (done, settled) = oneshot::channel();
        let waiting = Waiting {
            delivery,
            span: Span::current(),
            done,
        };
        self.waiting
            .send(waiting)
            .await
            .map_err(|_| Refusal::NotReady)?;
        settled.await.unwrap_or(Err(Refusal::NotReady))
    }
}

struct Gathering {
    context: ServiceContext,
    flow: Arc<Flow>,
    /// Where deliveries go on: rows that the source has yet to be asked about have not been extracted.
    stage: Stage,
    patience: Duration,
    open: Option<Open>,
}

impl Gathering {
    /// What comes while a group is handed on is the next group, up to a batch of records.
    async fn gather(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut group = Vec::new();
        while let Some(first) = waiting.recv().await {
            group.push(first);
            while rows(&group) < self.flow.batch_size
                && let Ok(next) = waiting.try_recv()
            {
                group.push(next);
            }
            // A sender that went away delivers again.
            group.retain(|waiting| !waiting.done.is_closed());
            self.settle(&mut group).await;
        }
    }

    async fn settle(&mut self, group: &mut Vec<Waiting>) {
        let times = u32::try_from(rows(group) / TOGETHER)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let handed_on =
            tokio::time::timeout(self.patience.saturating_mul(times), self.hand_on(group)).await;
        let outcomes = match handed_on {
            Ok(Ok(outcomes)) => outcomes,
            failed => {
                // Whether the broker has the last slots is not known; no others may follow on them.
                self.open = None;
                let error =
                    failed.map_or_else(|_| "it took too long".into(), |failed| reason(&failed));
                warn!(
                    flow = self.flow.name,
                    deliveries = group.len(),
                    error,
                    "deliveries are not taken"
                );
                Vec::new()
            }
        };
        let mut outcomes = outcomes.into_iter();
        for waiting in group.drain(..) {
            // Nobody listens any more where the sender went away.
            let _ = waiting.done.send(outcomes.next().ok_or(Refusal::NotReady));
        }
    }

    /// Publish and await the confirms, then record. A crash in between leaves records that are not
    /// counted until they settle, and senders that deliver again; the ledger absorbs it.
    async fn hand_on(&mut self, group: &mut [Waiting]) -> Result<Vec<Accepted>, HandlerError> {
        let outcomes = self.compare(group).await?;
        let taken = group
            .iter_mut()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Accepted::Taken);
        let mut taken: Vec<&mut Waiting> = taken.map(|(waiting, _)| waiting).collect();
        let Some(first) = taken.first() else {
            return Ok(outcomes);
        };
        let (run, span) = (first.delivery.run, first.span.clone());
        for other in taken
            .iter()
            .skip(1)
            .filter_map(|waiting| telemetry::traceparent(&waiting.span))
        {
            telemetry::link(&span, &other);
        }
        let made = self.make(run, &mut taken);
        self.publish(&made).instrument(span).await?;
        self.record(&made, &taken).await?;
        self.open = made.open();
        Ok(outcomes)
    }

    /// Which of the deliveries are to be taken: those that neither the store nor the group knows yet.
    async fn compare(&self, group: &[Waiting]) -> Result<Vec<Accepted>, HandlerError> {
        let ids: Vec<DeliveryId> = group
            .iter()
            .filter_map(|waiting| waiting.delivery.id)
            .collect();
        let known = match ids.is_empty() {
            true => Vec::new(),
            false => {
                self.context
                    .store()
                    .known_deliveries(&self.flow.name, &ids)
                    .await?
            }
        };
        let mut seen: HashSet<DeliveryId> = ids
            .into_iter()
            .zip(known)
            .filter(|(_, known)| *known)
            .map(|(id, _)| id)
            .collect();
        let mut outcome =
            |waiting: &Waiting| match waiting.delivery.id.is_none_or(|id| seen.insert(id)) {
                true => Accepted::Taken,
                false => Accepted::Repeated,
            };
        Ok(group.iter().map(&mut outcome).collect())
    }

    fn make(&self, run: RunId, taken: &mut [&mut Waiting]) -> Made {
        let mut made = Made::new(&self.flow, run, self.open.clone());
        for Waiting { delivery, span, .. } in taken {
            for record in std::mem::take(&mut delivery.records) {
                let batch = made.add(record);
                span.record("batch", &batch.id);
            }
            let refused = std::mem::take(&mut delivery.refused);
            span.in_scope(|| refused.into_iter().for_each(|refused| made.bury(refused)));
            span.record("run", tracing::field::display(run));
        }
        made
    }

    async fn publish(&self, made: &Made) -> Result<(), HandlerError> {
        let batches: Vec<&Batch> = made.batches.iter().collect();
        outbox::enter(
            &self.context.backends,
            &self.flow,
            self.stage,
            &batches,
            &made.letters,
        )
        .await
    }

    async fn record(&self, made: &Made, taken: &[&mut Waiting]) -> Result<(), HandlerError> {
        let remember = self
            .flow
            .extract
            .webhook
            .as_ref()
            .and_then(|webhook| webhook.delivery.as_ref());
        let records = made
            .batches
            .iter()
            .map(|batch| batch.records.len())
            .sum::<usize>();
        let batches = made
            .batches
            .iter()
            .map(|batch| (batch.id.clone(), batch.size));
        let letters = made
            .letters
            .iter()
            .map(|letter| (letter.batch.clone(), letter.size));
        let arrival = WebhookArrival {
            flow: self.flow.name.clone(),
            run: made.run,
            batches: batches.chain(letters).collect(),
            deliveries: taken
                .iter()
                .filter_map(|waiting| waiting.delivery.id)
                .collect(),
            remembered_for: remember
                .map(|delivery| delivery.remember)
                .unwrap_or_default(),
        };
        self.context.store().record_arrival(&arrival).await?;
        let records = if self.stage == Stage::Extract {
            0
        } else {
            records
        };
        metrics::count_extracted(&self.flow.name, records + made.letters.len());
        Ok(())
    }
}

fn rows(group: &[Waiting]) -> usize {
    group
        .iter()
        .map(|Waiting { delivery, .. }| delivery.records.len() + delivery.refused.len())
        .sum()
}

fn reason(failed: &Result<Vec<Accepted>, HandlerError>) -> String {
    failed
        .as_ref()
        .err()
        .map(HandlerError::to_string)
        .unwrap_or_default()
}
