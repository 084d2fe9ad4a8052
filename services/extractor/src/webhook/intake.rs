//! The intake of deliveries: they are handed on in groups, and each sender learns how its own
//! ended.

use std::{sync::Arc, time::Duration};

use pomost_models::Stage;
use pomost_project::{Flow, webhook::WebhookRules};
use pomost_rows::fetch_of_webhook;
use pomost_runtime::ServiceContext;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::{Span, warn};

use super::{
    RECORDS_PER_TIMEOUT, ReceiverLimits,
    batches::OpenBatch,
    delivery::VerifiedDelivery,
    handover::DeliveryHandover,
    response::{DeliveryAcceptance, Error},
};

/// The intake of one flow's deliveries.
pub(super) struct DeliveryIntake {
    pending: mpsc::Sender<PendingDelivery>,
}

/// A delivery whose sender waits for the response.
pub(super) struct PendingDelivery {
    pub(super) delivery: VerifiedDelivery,
    pub(super) span: Span,
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
            handover: DeliveryHandover {
                context,
                flow,
                stage,
            },
            timeout: limits.intake_timeout,
            open: None,
        };
        (DeliveryIntake { pending: sender }, task.run(receiver))
    }

    /// Hands a delivery on, and returns when its records are with the broker and counted, or cannot
    /// be.
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
    handover: DeliveryHandover,
    timeout: Duration,
    open: Option<OpenBatch>,
}

impl IntakeTask {
    /// Hands deliveries on in groups. Those that arrive while a group is handed on are the next
    /// group, up to a batch of records.
    async fn run(mut self, mut pending: mpsc::Receiver<PendingDelivery>) {
        let mut group = Vec::new();
        while let Some(first) = pending.recv().await {
            group.push(first);
            // Without a pause: a delivery that comes alone is answered as fast as it can be.
            while row_count(&group) < self.handover.flow.batch_size
                && let Ok(next) = pending.try_recv()
            {
                group.push(next);
            }
            // A sender that went away delivers again.
            group.retain(|pending| !pending.accepted.is_closed());
            let mut outcomes = self.hand_on(&mut group).await.into_iter();
            for pending in group.drain(..) {
                let outcome = outcomes.next().ok_or(Error::NotReady);
                // Sending fails if the sender went away; then nobody waits for the response.
                let _ = pending.accepted.send(outcome);
            }
        }
    }

    /// Hands a group on within the time-out, and returns an outcome for each delivery; none if it
    /// failed.
    async fn hand_on(&mut self, group: &mut [PendingDelivery]) -> Vec<DeliveryAcceptance> {
        let times = u32::try_from(row_count(group) / RECORDS_PER_TIMEOUT)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let limit = self.timeout.saturating_mul(times);
        // If this fails, it is unknown whether the broker has the last slots, so no others may
        // follow on them.
        let open = self.open.take();
        let handed_on = timeout(limit, self.handover.hand_on(group, open)).await;
        let error = match handed_on {
            Ok(Ok((outcomes, open))) => {
                self.open = open;
                return outcomes;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        let (flow, deliveries) = (&self.handover.flow.name, group.len());
        warn!(flow, deliveries, error, "deliveries are not taken");
        Vec::new()
    }
}

fn row_count(group: &[PendingDelivery]) -> usize {
    group
        .iter()
        .map(|PendingDelivery { delivery, .. }| delivery.records.len() + delivery.refused.len())
        .sum()
}
