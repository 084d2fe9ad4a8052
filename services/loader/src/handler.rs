//! Handles one batch: claims its keys, applies its records, settles them, and publishes the rest.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::Retryable;
use pomost_http::SendPermit;
use pomost_models::{Batch, Record};
use pomost_project::flow::ChangeOrder;
use pomost_runtime::{
    ServiceContext,
    backoff::growing_pauses,
    backpressure::Backpressure,
    dead_letters, outbox,
    worker::{HandlerError, MessageHandler},
};
use pomost_store::{BatchSettlement, Claim, ClaimToken, Error};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    apply::{BatchApply, RecordEnding},
    change_ordering::ChangeOrdering,
    claims::{
        ClaimGuard, ClaimRound, ClaimedRecord, attempt_fingerprint, claim_entry, claim_rounds,
    },
    destinations::Destination,
    settlement::Settlement,
};

/// The time in which requests of a batch are started. The remaining records are retried: a delivery
/// must be acknowledged within 10 minutes, and the last request may take its whole time-out and a
/// few retries.
const STARTING_TIME: Duration = Duration::from_secs(120);

/// The time in which storing a settlement is tried. Nobody else knows what was done to the records:
/// if it is given up, a flow that cannot find it out has records in doubt.
const SETTLEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The pauses between attempts at a settlement grow from the first to the longest.
const FIRST_SETTLEMENT_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_SETTLEMENT_PAUSE: Duration = Duration::from_secs(5);

/// Loads the batches of one flow.
pub struct LoadHandler {
    pub context: ServiceContext,
    pub destination: Destination,
    pub change_ordering: Arc<ChangeOrdering>,
}

#[async_trait]
impl MessageHandler for LoadHandler {
    async fn handle(&self, mut batch: Batch) -> Result<(), HandlerError> {
        let deadline = Instant::now() + STARTING_TIME;
        let records = std::mem::take(&mut batch.records);
        for round in claim_rounds(self.destination.flow.load.order, records) {
            let round = ClaimRound {
                records: self
                    .change_ordering
                    .park_blocked(&batch, round.records)
                    .await?,
                ..round
            };
            if !round.is_empty() {
                self.load(&batch, round, deadline).await?;
            }
        }
        Ok(())
    }

    fn backpressure(&self) -> &dyn Backpressure {
        &self.destination
    }
}

impl LoadHandler {
    /// Claims, applies and settles the records of a round, then publishes retries and dead letters.
    /// A crash before the settlement leaves claims that expire and then answer that the outcome is
    /// in doubt; a crash after it brings records again that the ledger knows.
    async fn load(
        &self,
        batch: &Batch,
        round: ClaimRound,
        deadline: Instant,
    ) -> Result<(), HandlerError> {
        // Both are taken before the store is asked: the claim may hold from any moment after that,
        // and an outage that begins during the batch charges its attempts differently.
        let (began, was_down) = (Instant::now(), self.destination.is_down());
        let mut claim = self.claim_of(batch, &round.records);
        let records = self.claim(&mut claim, round.records).await?;
        let endings = self.apply(batch, &claim, &records, began, deadline).await;
        let charging = self.destination.attempt_charging(batch, began, was_down);
        let mut settlement = Settlement::new(&self.destination.flow, batch, claim.token, charging);
        for (claimed, ending) in records.into_iter().zip(endings) {
            settlement.add(claimed, ending);
        }
        for record in round.superseded {
            settlement.add_superseded(record);
        }
        self.settle(settlement).await
    }

    fn claim_of(&self, batch: &Batch, records: &[Record]) -> Claim {
        let flow = &self.destination.flow;
        let entry = |record| claim_entry(record, attempt_fingerprint(flow, batch, record));
        Claim {
            flow: batch.flow.clone(),
            token: ClaimToken::generate(),
            entries: records.iter().map(entry).collect(),
            latest_only: flow.load.order == ChangeOrder::Latest,
            same_version_type: flow.extract.version_type.is_none(),
            in_flight_for: self.destination.in_doubt_for(),
        }
    }

    /// Claims the keys of records. The entries of the claim go with their records.
    async fn claim(
        &self,
        claim: &mut Claim,
        records: Vec<Record>,
    ) -> Result<Vec<ClaimedRecord>, Error> {
        let results = self
            .context
            .store()
            .claim(claim, self.context.claim_ttl)
            .await?;
        let entries = std::mem::take(&mut claim.entries);
        let claimed = records.into_iter().zip(entries).zip(results);
        Ok(claimed
            .map(|((record, entry), result)| ClaimedRecord::new(record, entry, result))
            .collect())
    }

    /// Applies the records for as long as their keys are certainly ours and there is time. If the
    /// claim is lost all the same, the settlement finds out which keys were taken over.
    async fn apply(
        &self,
        batch: &Batch,
        claim: &Claim,
        records: &[ClaimedRecord],
        claimed_at: Instant,
        deadline: Instant,
    ) -> Vec<RecordEnding> {
        let (store, ttl) = (self.context.store(), self.context.claim_ttl);
        let guard = ClaimGuard::new(store, claim, records, ttl, claimed_at);
        let may_begin = || {
            Instant::now() <= deadline
                && !self.context.shutdown.is_cancelled()
                && guard.is_certain()
        };
        let batch_apply = BatchApply {
            destination: &self.destination,
            batch,
            permit: SendPermit::as_long_as(&may_begin),
        };
        tokio::select! {
            endings = batch_apply.run(records) => endings,
            never = guard.keep_renewing() => match never {},
        }
    }

    /// First stores what was applied and releases the claims on the remaining keys, before they can
    /// expire: publishing may take long. The stored settlement has no outcome of records that are
    /// retried or dead: a crash before those are published brings the whole batch again.
    async fn settle(&self, mut settlement: Settlement<'_>) -> Result<(), HandlerError> {
        let lost = self.store_settlement(settlement.stored()).await?;
        if !lost.is_empty() {
            warn!(
                records = lost.len(),
                "another worker took over records that were held for too long"
            );
            // The store has written no outcome of this batch: those of the lost keys are among
            // them.
            settlement.retry_lost(&lost);
            let BatchSettlement {
                run,
                batch,
                outcomes,
                ..
            } = settlement.stored();
            let store = self.context.store();
            store.record_outcomes(*run, batch, outcomes).await?;
        }
        settlement.report();
        let broker = self.context.broker();
        for (route, batch) in settlement.retry_batches() {
            outbox::publish_batches(broker, &route, &[&batch]).await?;
        }
        dead_letters::publish(broker, settlement.letters()).await?;
        Ok(self.change_ordering.after_settlement(&settlement).await?)
    }

    /// Stores a settlement, and tries again while the store is unavailable. A settlement that was
    /// stored although the store did not answer is not stored twice: its claims are gone then.
    /// Returns the keys whose claims were lost.
    async fn store_settlement(&self, settlement: &BatchSettlement) -> Result<Vec<String>, Error> {
        let backoff = growing_pauses(FIRST_SETTLEMENT_PAUSE, LONGEST_SETTLEMENT_PAUSE)
            .with_total_delay(Some(SETTLEMENT_TIMEOUT))
            .with_jitter();
        (|| self.context.store().settle(settlement))
            .retry(backoff)
            .when(|error| matches!(error, Error::Unavailable { .. }))
            .notify(|error, _| warn!(%error, "what was done is not recorded yet; trying again"))
            .await
    }
}
