//! What the loader does with a batch.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use pomost_http::SendPermit;
use pomost_models::{AttemptFingerprint, Batch, Record};
use pomost_project::flow::ChangeOrder;
use pomost_runtime::{
    ServiceContext, dead,
    gate::Backpressure,
    outbox,
    worker::{HandlerError, MessageHandler},
};
use pomost_store::{BatchSettlement, Claim, ClaimEntry, ClaimResult, ClaimToken, Error};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    act::End,
    acting::Acting,
    destination::Destination,
    hold::Hold,
    prepare::{self, Round, prepare},
    tally::Tally,
    turns::Turns,
};

/// How long a batch starts requests. The rest is handed back: a delivery must be acknowledged
/// within 10 minutes, and the last request may take its whole time-out and a few retries.
const STARTING: Duration = Duration::from_secs(120);

/// How long the store is tried for what was done to records. Nobody else knows it: given up, a flow that
/// cannot find it out has records in doubt.
const SETTLING: Duration = Duration::from_secs(60);

/// Loads the batches of one flow.
pub struct LoadHandler {
    /// What to work with.
    pub context: ServiceContext,
    /// Where the records go.
    pub destination: Destination,
    /// When it is a record's turn.
    pub turns: Arc<Turns>,
}

#[async_trait]
impl MessageHandler for LoadHandler {
    async fn handle(&self, mut batch: Batch) -> Result<(), HandlerError> {
        let until = Instant::now() + STARTING;
        let records = std::mem::take(&mut batch.records);
        for round in prepare(self.destination.flow.load.order, records) {
            let round = Round {
                records: self.turns.whose_turn_it_is(&batch, round.records).await?,
                ..round
            };
            if !round.is_empty() {
                self.load(&batch, round, until).await?;
            }
        }
        Ok(())
    }

    fn gate(&self) -> &dyn Backpressure {
        &self.destination
    }
}

impl LoadHandler {
    /// Claim, act, settle, publish what is to come again and what is dead. A crash before the
    /// settlement leaves claims that expire and answer that the outcome is unknown; one after it
    /// brings records again that the ledger knows.
    async fn load(
        &self,
        batch: &Batch,
        Round {
            records,
            superseded,
        }: Round,
        until: Instant,
    ) -> Result<(), HandlerError> {
        let (began, was_down) = (Instant::now(), self.destination.is_closed());
        let claim = Claim {
            flow: batch.flow.clone(),
            token: ClaimToken::generate(),
            entries: records
                .iter()
                .map(|record| prepare::claim_entry(record, self.fate(batch, record)))
                .collect(),
            latest_only: self.destination.flow.load.order == ChangeOrder::Latest,
            same_version_type: self.destination.flow.extract.version_type.is_none(),
            in_flight_for: self.destination.patience(),
        };
        let (store, ttl) = (self.context.store(), self.context.claim);
        let answers = store.claim(&claim, ttl).await?;
        let hold = Hold::of(store, &claim, &answers, ttl, began);
        let claimed = claim.entries.iter().zip(&answers);
        let ends = self
            .act_while_holding(batch, &records, &hold, claimed, until)
            .await;
        let mut tally = Tally::new(&self.destination.flow, batch, claim.token);
        tally.spare_attempts(self.destination.spares(batch, began, was_down));
        let acted = records
            .into_iter()
            .zip(claim.entries)
            .zip(answers.into_iter().zip(ends));
        for ((record, entry), (answer, end)) in acted {
            tally.add(record, entry, &answer, end);
        }
        superseded
            .into_iter()
            .for_each(|record| tally.superseded(record));
        self.settle(tally).await
    }

    fn fate(&self, batch: &Batch, record: &Record) -> Option<AttemptFingerprint> {
        prepare::fate(&self.destination.flow, batch, record)
    }

    /// Acts on the records as long as their keys are ours for certain and there is time. If the claim is lost all
    /// the same, the settlement finds out who has the keys.
    async fn act_while_holding(
        &self,
        batch: &Batch,
        records: &[Record],
        hold: &Hold<'_>,
        claimed: impl Iterator<Item = (&ClaimEntry, &ClaimResult)>,
        until: Instant,
    ) -> Vec<End> {
        let may_begin = || {
            Instant::now() <= until && !self.context.shutdown.is_cancelled() && hold.is_certain()
        };
        let permit = SendPermit::as_long_as(&may_begin);
        let begun = records
            .iter()
            .zip(claimed)
            .map(|(record, (entry, answer))| {
                self.destination
                    .begin(batch, record, &entry.hash, answer, permit)
            });
        let acting = Acting {
            destination: &self.destination,
        };
        tokio::select! {
            ends = acting.carry_out(begun) => ends,
            never = hold.keep() => match never {},
        }
    }

    /// First what was applied is settled, and the other keys are let go, before their claims can run
    /// out; publishing may take long. The settlement holds no outcome of records that come again or
    /// are dead: a crash before those are published brings the whole batch again.
    async fn settle(&self, mut tally: Tally<'_>) -> Result<(), HandlerError> {
        let lost = self.record(tally.settlement()).await?;
        if !lost.is_empty() {
            warn!(
                records = lost.len(),
                "another worker took over records that were held for too long"
            );
            tally.lose(&lost);
            let BatchSettlement {
                run,
                batch,
                outcomes,
                ..
            } = tally.settlement();
            self.context
                .store()
                .record_outcomes(*run, batch, outcomes)
                .await?;
        }
        tally.report();
        let broker = self.context.broker();
        for (route, batch) in tally.coming_again() {
            outbox::send(broker, &route, &[&batch]).await?;
        }
        dead::publish(broker, tally.letters()).await?;
        Ok(self.turns.after(&tally).await?)
    }

    /// Writes a settlement, and writes it again while the store is away. What was written already is
    /// written no second time: its claims are gone.
    async fn record(&self, settlement: &BatchSettlement) -> Result<Vec<String>, Error> {
        let backoff = ExponentialBuilder::default()
            .without_max_times()
            .with_total_delay(Some(SETTLING));
        (|| self.context.store().settle(settlement))
            .retry(backoff.with_max_delay(Duration::from_secs(5)).with_jitter())
            .when(|error| matches!(error, Error::Unavailable { .. }))
            .notify(|error, _| warn!(%error, "what was done is not recorded yet; trying again"))
            .await
    }
}
