//! What the loader does with a batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use pomost_models::{Batch, Record};
use pomost_project::Flow;
use pomost_runtime::{
    Context, dead, outbox,
    worker::{Handler, Trouble},
};
use pomost_store::{Answer, Claim, ClaimEntry, ClaimToken};
use tracing::warn;

use crate::{
    act::End,
    destination::Destination,
    many::Together,
    prepare::{self, Prepared},
    tally::Tally,
};

/// How long a batch starts requests. The rest is handed back: a delivery must be acknowledged
/// within 10 minutes, and the last request may take its whole time-out and a few retries.
const STARTING: Duration = Duration::from_secs(240);

/// Loads the batches of one flow.
pub struct LoadHandler {
    /// What to work with.
    pub context: Context,
    /// The flow.
    pub flow: Arc<Flow>,
    /// How its records are written.
    pub way: Way,
}

/// How the records of a flow are written.
pub enum Way {
    /// Each by requests of its own.
    OneByOne(Destination),
    /// Those of a batch together.
    Together(Together),
}

#[async_trait]
impl Handler for LoadHandler {
    /// Claim, act, settle, publish what is to come again and what is dead. A crash before the
    /// settlement leaves claims that expire and answer that the outcome is unknown; one after it
    /// brings records again that the ledger knows.
    async fn handle(&self, mut batch: Batch) -> Result<(), Trouble> {
        let prepared = prepare::newest_of_each_key(std::mem::take(&mut batch.records));
        let claim = Claim {
            flow: batch.flow.clone(),
            token: ClaimToken::generate(),
            entries: prepared.current.iter().map(prepare::claim_entry).collect(),
        };
        let answers = self.context.store().claim(&claim, self.context.claim).await?;
        let ends = self.act_while_renewing(&batch, &prepared.current, &claim, &answers).await;
        let tally = self.tally(batch, prepared, claim, answers, ends);
        self.settle(tally).await
    }
}

impl LoadHandler {
    async fn act_while_renewing(
        &self,
        batch: &Batch,
        records: &[Record],
        claim: &Claim,
        answers: &[Answer],
    ) -> Vec<End> {
        let acting = self.act_on_all(batch, records, claim, answers);
        tokio::pin!(acting);
        loop {
            tokio::select! {
                ends = &mut acting => return ends,
                () = tokio::time::sleep(self.context.claim / 3) => self.renew(claim).await,
            }
        }
    }

    /// A renewal that fails is tried again at the next turn; if all fail the claim expires, and the
    /// settlement finds out who has the keys.
    async fn renew(&self, claim: &Claim) {
        let renewed = self.context.store().renew_claim(claim, self.context.claim).await;
        if let Err(error) = renewed {
            warn!(%error, "a claim was not renewed");
        }
    }

    async fn act_on_all(
        &self,
        batch: &Batch,
        records: &[Record],
        claim: &Claim,
        answers: &[Answer],
    ) -> Vec<End> {
        match &self.way {
            Way::OneByOne(destination) => self.act_on_each(destination, batch, records, claim, answers).await,
            Way::Together(together) => together.act_on_all(batch, records, &claim.entries, answers).await,
        }
    }

    async fn act_on_each(
        &self,
        destination: &Destination,
        batch: &Batch,
        records: &[Record],
        claim: &Claim,
        answers: &[Answer],
    ) -> Vec<End> {
        let until = Instant::now() + STARTING;
        let claimed = records.iter().zip(&claim.entries).zip(answers).enumerate();
        let acting: Vec<_> = claimed
            .map(|(place, ((record, entry), answer))| {
                self.act_on(destination, until, place, batch, record, entry, answer)
            })
            .collect();
        let concurrency = destination.client.concurrency();
        let mut ends: Vec<(usize, End)> = stream::iter(acting).buffer_unordered(concurrency).collect().await;
        ends.sort_unstable_by_key(|(place, _)| *place);
        ends.into_iter().map(|(_, end)| end).collect()
    }

    #[expect(clippy::too_many_arguments)]
    async fn act_on(
        &self,
        destination: &Destination,
        until: Instant,
        place: usize,
        batch: &Batch,
        record: &Record,
        entry: &ClaimEntry,
        answer: &Answer,
    ) -> (usize, End) {
        if Instant::now() > until || self.context.shutdown.is_cancelled() {
            return (place, End::NotNow);
        }
        (place, destination.act(batch, record, &entry.hash, answer).await)
    }

    fn tally(
        &self,
        batch: Batch,
        prepared: Prepared,
        claim: Claim,
        answers: Vec<Answer>,
        ends: Vec<End>,
    ) -> Tally<'_> {
        let mut tally = Tally::new(&self.flow, batch, claim.token);
        for record in prepared.superseded {
            tally.superseded(record);
        }
        let acted = prepared.current.into_iter().zip(claim.entries).zip(answers.into_iter().zip(ends));
        for ((record, entry), (answer, end)) in acted {
            tally.add(record, entry, &answer, end);
        }
        tally
    }

    /// First what was applied is settled, and the other keys are let go, before their claims can run
    /// out; publishing may take long. The settlement holds no outcome of records that come again or
    /// are dead: a crash before those are published brings the whole batch again.
    async fn settle(&self, tally: Tally<'_>) -> Result<(), Trouble> {
        tally.report();
        let lost = self.context.store().settle(tally.settlement()).await?;
        if !lost.is_empty() {
            warn!(records = lost.len(), "another worker took over records that were held for too long");
        }
        let broker = self.context.broker();
        for (route, batch) in tally.coming_again() {
            outbox::send(broker, &route, &[&batch]).await?;
        }
        dead::publish(broker, tally.letters()).await?;
        Ok(())
    }
}
