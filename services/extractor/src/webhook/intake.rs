//! The intake of deliveries: to the broker, then to the store.

use std::{collections::HashSet, sync::Arc, time::Duration};

use pomost_models::{Batch, RunId, Stage, webhook::DeliveryId};
use pomost_project::{Flow, webhook::WebhookRules};
use pomost_runtime::{ServiceContext, metrics, outbox, telemetry, worker::HandlerError};
use pomost_store::WebhookArrival;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span, warn};

use super::{
    RECORDS_PER_TIMEOUT, ReceiverLimits,
    batches::{DeliveryBatches, OpenBatch},
    delivery::VerifiedDelivery,
    fetch_of_webhook,
    response::{DeliveryAcceptance, Error},
};

/// The intake of one flow's deliveries.
pub(super) struct DeliveryIntake {
    pending: mpsc::Sender<PendingDelivery>,
}

/// A delivery whose sender waits for the response.
struct PendingDelivery {
    delivery: VerifiedDelivery,
    span: Span,
    accepted: oneshot::Sender<Result<DeliveryAcceptance, Error>>,
}

impl DeliveryIntake {
    /// Makes an intake, and the task that hands its deliveries on until the intake is dropped.
    pub(super) fn new(
        context: ServiceContext,
        flow: Arc<Flow>,
        webhook: &WebhookRules,
        limits: ReceiverLimits,
    ) -> (DeliveryIntake, impl Future<Output = ()> + Send + use<>) {
        let (sender, receiver) = mpsc::channel(limits.max_connections);
        let stage = if fetch_of_webhook(&flow, webhook).is_some() {
            Stage::Extract
        } else {
            Stage::Transform
        };
        let task = IntakeTask {
            context,
            flow,
            stage,
            timeout: limits.intake_timeout,
            open: None,
        };
        (DeliveryIntake { pending: sender }, task.run(receiver))
    }

    /// Hands a delivery on, and returns when its records are with the broker and counted, or cannot be.
    pub(super) async fn take(
        &self,
        delivery: VerifiedDelivery,
    ) -> Result<DeliveryAcceptance, Error> {
        if delivery.records.is_empty() && delivery.refused.is_empty() {
            return Ok(DeliveryAcceptance::New);
        }
        let (accepted, response) = oneshot::channel();
        let pending = PendingDelivery {
            delivery,
            span: Span::current(),
            accepted,
        };
        self.pending
            .send(pending)
            .await
            .map_err(|_| Error::NotReady)?;
        response.await.unwrap_or(Err(Error::NotReady))
    }
}

struct IntakeTask {
    context: ServiceContext,
    flow: Arc<Flow>,
    /// The stage whose queue takes the records: `extract` for rows that the source has yet to be asked about.
    stage: Stage,
    timeout: Duration,
    open: Option<OpenBatch>,
}

impl IntakeTask {
    /// Hands deliveries on in groups. Those that arrive while a group is handed on are the next group, up to a
    /// batch of records.
    async fn run(mut self, mut pending: mpsc::Receiver<PendingDelivery>) {
        let mut group = Vec::new();
        while let Some(first) = pending.recv().await {
            group.push(first);
            // Without a pause: a delivery that comes alone is answered as fast as it can be.
            while row_count(&group) < self.flow.batch_size
                && let Ok(next) = pending.try_recv()
            {
                group.push(next);
            }
            // A sender that went away delivers again.
            group.retain(|pending| !pending.accepted.is_closed());
            self.answer_group(&mut group).await;
        }
    }

    async fn answer_group(&mut self, group: &mut Vec<PendingDelivery>) {
        let times = u32::try_from(row_count(group) / RECORDS_PER_TIMEOUT)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let handed_on =
            tokio::time::timeout(self.timeout.saturating_mul(times), self.hand_on(group)).await;
        let outcomes = match handed_on {
            Ok(Ok(outcomes)) => outcomes,
            failed => {
                // It is unknown whether the broker has the last slots, so no others may follow on them.
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
        for pending in group.drain(..) {
            // Sending fails if the sender went away; then nobody waits for the response.
            let _ = pending
                .accepted
                .send(outcomes.next().ok_or(Error::NotReady));
        }
    }

    /// Publishes the group and awaits the confirms, then records it. A crash in between leaves records that are
    /// not counted until they settle, and senders that deliver again; the ledger absorbs it.
    async fn hand_on(
        &mut self,
        group: &mut [PendingDelivery],
    ) -> Result<Vec<DeliveryAcceptance>, HandlerError> {
        let outcomes = self.find_duplicates(group).await?;
        let new = group
            .iter_mut()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == DeliveryAcceptance::New);
        let mut new: Vec<&mut PendingDelivery> = new.map(|(pending, _)| pending).collect();
        let Some(first) = new.first() else {
            return Ok(outcomes);
        };
        let (run, span) = (first.delivery.run, first.span.clone());
        // The group is published in the trace of the first delivery, which links to the other deliveries' traces.
        for other in new
            .iter()
            .skip(1)
            .filter_map(|pending| telemetry::traceparent(&pending.span))
        {
            telemetry::link(&span, &other);
        }
        let batches = self.make_batches(run, &mut new);
        self.publish(&batches).instrument(span).await?;
        self.record(&batches, &new).await?;
        self.open = batches.open();
        Ok(outcomes)
    }

    /// Tells the new deliveries from those that the store or the group has already.
    async fn find_duplicates(
        &self,
        group: &[PendingDelivery],
    ) -> Result<Vec<DeliveryAcceptance>, HandlerError> {
        let ids: Vec<DeliveryId> = group
            .iter()
            .filter_map(|pending| pending.delivery.id)
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
        let mut outcome = |pending: &PendingDelivery| match pending
            .delivery
            .id
            .is_none_or(|id| seen.insert(id))
        {
            true => DeliveryAcceptance::New,
            false => DeliveryAcceptance::Duplicate,
        };
        Ok(group.iter().map(&mut outcome).collect())
    }

    fn make_batches(&self, run: RunId, new: &mut [&mut PendingDelivery]) -> DeliveryBatches {
        let mut batches = DeliveryBatches::new(&self.flow, run, self.open.clone());
        for PendingDelivery { delivery, span, .. } in new {
            for record in std::mem::take(&mut delivery.records) {
                let batch = batches.add_record(record);
                span.record("batch", &batch.id);
            }
            let refused = std::mem::take(&mut delivery.refused);
            span.in_scope(|| {
                refused
                    .into_iter()
                    .for_each(|refused| batches.add_refused(refused));
            });
            span.record("run", tracing::field::display(run));
        }
        batches
    }

    async fn publish(&self, made: &DeliveryBatches) -> Result<(), HandlerError> {
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

    async fn record(
        &self,
        made: &DeliveryBatches,
        new: &[&mut PendingDelivery],
    ) -> Result<(), HandlerError> {
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
            deliveries: new
                .iter()
                .filter_map(|pending| pending.delivery.id)
                .collect(),
            remember: remember
                .map(|delivery| delivery.remember)
                .unwrap_or_default(),
        };
        self.context.store().record_arrival(&arrival).await?;
        // Rows that the source has yet to be asked about are counted as extracted after that.
        let records = if self.stage == Stage::Extract {
            0
        } else {
            records
        };
        metrics::count_extracted(&self.flow.name, records + made.letters.len());
        Ok(())
    }
}

fn row_count(group: &[PendingDelivery]) -> usize {
    group
        .iter()
        .map(|PendingDelivery { delivery, .. }| delivery.records.len() + delivery.refused.len())
        .sum()
}

fn reason(failed: &Result<Vec<DeliveryAcceptance>, HandlerError>) -> String {
    failed
        .as_ref()
        .err()
        .map(HandlerError::to_string)
        .unwrap_or_default()
}
