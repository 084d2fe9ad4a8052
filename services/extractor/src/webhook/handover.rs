//! The handover of a group of deliveries to the broker, and then to the store.

use std::{collections::HashSet, sync::Arc};

use pomost_models::{Batch, RunId, Stage, webhook::DeliveryId};
use pomost_project::Flow;
use pomost_runtime::{ServiceContext, metrics, outbox, telemetry, worker::HandlerError};
use pomost_store::WebhookArrival;
use tracing::Instrument;

use super::{
    batches::{DeliveryBatches, OpenBatch},
    intake::PendingDelivery,
    response::DeliveryAcceptance,
};

pub(super) struct DeliveryHandover {
    pub(super) context: ServiceContext,
    pub(super) flow: Arc<Flow>,
    /// The stage whose queue takes the records: `extract` for rows that await their fetch.
    pub(super) stage: Stage,
}

impl DeliveryHandover {
    /// Publishes a group and awaits the confirms, then records it. A crash in between leaves
    /// records that are not counted until they settle, and senders that deliver again; the ledger
    /// absorbs it.
    ///
    /// Returns an outcome for each delivery, and the batch that the next group may go on with.
    pub(super) async fn hand_on(
        &self,
        group: &mut [PendingDelivery],
        open: Option<OpenBatch>,
    ) -> Result<(Vec<DeliveryAcceptance>, Option<OpenBatch>), HandlerError> {
        let outcomes = self.find_duplicates(group).await?;
        let new = group
            .iter_mut()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == DeliveryAcceptance::New);
        let mut new: Vec<&mut PendingDelivery> = new.map(|(pending, _)| pending).collect();
        let Some(first) = new.first() else {
            return Ok((outcomes, open));
        };
        let (run, span) = (first.delivery.run, first.span.clone());
        // The group is published in the trace of the first delivery, which links to the other
        // deliveries' traces.
        for other in new
            .iter()
            .skip(1)
            .filter_map(|pending| telemetry::traceparent(&pending.span))
        {
            telemetry::link(&span, &other);
        }
        let batches = self.make_batches(run, open, &mut new);
        self.publish(&batches).instrument(span).await?;
        self.record(&batches, &new).await?;
        Ok((outcomes, batches.open()))
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
        let mut is_new = |id: Option<DeliveryId>| id.is_none_or(|id| seen.insert(id));
        let outcomes = group
            .iter()
            .map(|pending| match is_new(pending.delivery.id) {
                true => DeliveryAcceptance::New,
                false => DeliveryAcceptance::Duplicate,
            });
        Ok(outcomes.collect())
    }

    fn make_batches(
        &self,
        run: RunId,
        open: Option<OpenBatch>,
        new: &mut [&mut PendingDelivery],
    ) -> DeliveryBatches {
        let mut batches = DeliveryBatches::new(&self.flow, run, open);
        for PendingDelivery { delivery, span, .. } in new {
            for record in std::mem::take(&mut delivery.records) {
                let batch = batches.add_record(record);
                span.record("batch", batch.id.as_str());
            }
            // Each dead letter is made in the trace of its own delivery.
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
        let (backends, letters) = (&self.context.backends, &made.letters);
        outbox::publish_entering(backends, &self.flow, self.stage, &batches, letters).await
    }

    async fn record(
        &self,
        made: &DeliveryBatches,
        new: &[&mut PendingDelivery],
    ) -> Result<(), HandlerError> {
        let webhook = self.flow.extract.webhook.as_ref();
        let rules = webhook.and_then(|webhook| webhook.delivery.as_ref());
        let deliveries = new.iter().filter_map(|pending| pending.delivery.id);
        let arrival = WebhookArrival {
            flow: self.flow.name.clone(),
            run: made.run,
            batches: made.sizes(),
            deliveries: deliveries.collect(),
            remembered_for: rules.map(|rules| rules.remember).unwrap_or_default(),
        };
        self.context.store().record_arrival(&arrival).await?;
        // Rows that await their fetch are counted as extracted when they have been fetched.
        let records = match self.stage {
            Stage::Extract => 0,
            _ => made.batches.iter().map(|batch| batch.records.len()).sum(),
        };
        metrics::count_extracted(&self.flow.name, records + made.letters.len());
        Ok(())
    }
}
