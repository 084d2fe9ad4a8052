//! Sending dead letters back to a stage, and recording that in the store.

use std::collections::BTreeMap;

use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Record, RunId, Stage, batch_id::ReplayOrigin,
};
use pomost_project::{Flow, Project};
use pomost_runtime::{Backends, outbox, telemetry};
use pomost_store::{DeadLetterFilter, Replay, Store};
use tracing::{Instrument, Span, info_span};

use super::{
    DoubtResolution, ReplayReport, ReplayRequest, SentReplay, SkipReason, batches, record,
};
use crate::Result;

/// Replays dead letters, those of a flow and a stage together as a run of their own.
///
/// A replay is begun in the store, its records are sent, and it is ended. A replay that was cut
/// short in between is still begun, and the next call sends the same records under the same ids:
/// the outcomes of their slots and the ledger absorb the records that were sent before.
pub struct Replayer<'a> {
    pub backends: &'a Backends,
    pub project: &'a Project,
}

impl Replayer<'_> {
    /// Sends the letters of replays that were begun and not ended.
    pub async fn resume(&self) -> Result<ReplayReport> {
        let mut report = ReplayReport::default();
        for replay in self.store().unfinished_replays().await? {
            self.carry_out(replay, &mut report).await?;
        }
        Ok(report)
    }

    /// Replays those of the letters that can be replayed. An error comes from the store or the
    /// broker.
    pub async fn replay(
        &self,
        letters: &[DeadLetter],
        request: &ReplayRequest,
    ) -> Result<ReplayReport> {
        let mut report = ReplayReport::default();
        let mut groups: BTreeMap<(String, Stage), Vec<String>> = BTreeMap::new();
        for letter in letters {
            match self.prepare(letter, request).await? {
                Ok(stage) => groups
                    .entry((letter.flow.clone(), stage))
                    .or_default()
                    .push(letter.id.clone()),
                Err(reason) => report.skip(letter, reason),
            }
        }
        for ((flow, stage), ids) in groups {
            let run = RunId::generate();
            let replay = Replay { run, flow, stage };
            if self.store().begin_replay(&replay, &ids).await? > 0 {
                self.carry_out(replay, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// The stage that a letter goes back to, after its doubt was resolved; or the reason for which
    /// it stays.
    async fn prepare(
        &self,
        letter: &DeadLetter,
        request: &ReplayRequest,
    ) -> Result<std::result::Result<Stage, SkipReason>> {
        let stage = match self.check(letter, request) {
            Ok(stage) => stage,
            Err(reason) => return Ok(Err(reason)),
        };
        let (DeadLetterReason::InDoubt, Some(resolution)) = (letter.reason, &request.resolution)
        else {
            return Ok(Ok(stage));
        };
        let id = match resolution {
            DoubtResolution::Absent => None,
            DoubtResolution::Present(id) => Some(id.as_str()),
        };
        let resolved = self
            .store()
            .resolve_in_doubt(&letter.flow, letter.key(), id)
            .await?;
        Ok(match resolved {
            true => Ok(stage),
            false => Err(SkipReason::StillInFlight),
        })
    }

    fn check(
        &self,
        letter: &DeadLetter,
        request: &ReplayRequest,
    ) -> std::result::Result<Stage, SkipReason> {
        let stage = request.from.unwrap_or(letter.stage);
        if stage > letter.stage {
            let failed_at = letter.stage;
            return Err(SkipReason::NotThatFar { failed_at, stage });
        }
        let flow = self.flow(&letter.flow)?;
        record::for_stage(flow, letter, stage)?;
        let is_in_doubt = letter.reason == DeadLetterReason::InDoubt;
        if is_in_doubt && !flow.load.can_resolve_doubt() && request.resolution.is_none() {
            return Err(SkipReason::InDoubt);
        }
        Ok(stage)
    }

    /// Sends the letters of a replay that are open, and ends it.
    async fn carry_out(&self, replay: Replay, report: &mut ReplayReport) -> Result<()> {
        let filter = DeadLetterFilter {
            replayed_in: Some(replay.run),
            limit: u32::MAX,
            ..DeadLetterFilter::default()
        };
        let letters = self.store().dead_letters(&filter).await?;
        let mut outgoing = OutgoingRecords::default();
        for letter in &letters {
            let flow = self.flow(&letter.flow);
            match flow.and_then(|flow| record::for_stage(flow, letter, replay.stage)) {
                Ok(record) => outgoing.add(letter, record),
                Err(reason) => report.skip(letter, reason),
            }
        }
        let OutgoingRecords {
            by_origin,
            replaced,
            letters: sent,
        } = outgoing;
        let sizes = self
            .send(&replay, by_origin)
            .instrument(replay_span(&replay, &letters))
            .await?;
        self.settle_replaced(&replay, &replaced).await?;
        self.store().end_replay(replay.run, &sizes, &sent).await?;
        report.sent.push(SentReplay {
            run: replay.run,
            flow: replay.flow,
            stage: replay.stage,
            letters: sent,
        });
        Ok(())
    }

    /// Publishes records in batches, each origin apart from the others, and returns the ids and
    /// sizes of the batches. A row that was extracted anew goes to the transformer, unless its
    /// source has yet to be asked about it.
    async fn send(
        &self,
        replay: &Replay,
        records: BTreeMap<ReplayOrigin, Vec<Record>>,
    ) -> Result<Vec<(String, u32)>> {
        let mut sizes = Vec::new();
        // No letter of a flow that the project does not have any more has come this far.
        let Some(flow) = self.project.flows.get(&replay.flow) else {
            return Ok(sizes);
        };
        for (origin, records) in records {
            let stage = match origin.awaits_fetch {
                true => Stage::Extract,
                false => replay.stage.max(Stage::Transform),
            };
            let batches = batches::of(replay, origin, &records, flow.batch_size);
            let new: Vec<&Batch> = batches.iter().collect();
            outbox::publish_entering(self.backends, flow, stage, &new, &[]).await?;
            sizes.extend(
                batches
                    .into_iter()
                    .map(|batch| (batch.id.into_string(), batch.size)),
            );
        }
        Ok(sizes)
    }

    /// Lets nothing wait any more for changes whose keys or versions are read otherwise now.
    async fn settle_replaced(&self, replay: &Replay, replaced: &[Record]) -> Result<()> {
        let size = replaced.len().max(1);
        for batch in &batches::of(replay, ReplayOrigin::default(), replaced, size) {
            self.store().settle_changes(batch).await?;
        }
        Ok(())
    }

    fn flow(&self, name: &str) -> std::result::Result<&Flow, SkipReason> {
        match self.project.flows.get(name) {
            Some(flow) => Ok(flow),
            None => Err(SkipReason::UnknownFlow(name.to_owned())),
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.backends.store
    }
}

/// The records of a replay that are to be sent.
#[derive(Default)]
struct OutgoingRecords {
    by_origin: BTreeMap<ReplayOrigin, Vec<Record>>,
    /// The records as they died, where another key or version is sent instead.
    replaced: Vec<Record>,
    /// The ids of the letters.
    letters: Vec<String>,
}

impl OutgoingRecords {
    fn add(&mut self, letter: &DeadLetter, record: Record) {
        let origin = batches::origin(letter, &record);
        let is_replaced = |old: &&Record| {
            origin.awaits_fetch || old.key != record.key || old.version != record.version
        };
        let old = letter.record.as_ref().filter(is_replaced);
        self.replaced.extend(old.map(Record::without_data));
        self.by_origin.entry(origin).or_default().push(record);
        self.letters.push(letter.id.clone());
    }
}

/// A span that links to the traces in which the letters died.
fn replay_span(replay: &Replay, letters: &[DeadLetter]) -> Span {
    let (flow, run) = (&replay.flow, replay.run);
    let span = info_span!(target: telemetry::STAGE_SPANS, "replay", otel.name = %format_args!("replay {flow}"), %run);
    for traceparent in letters
        .iter()
        .filter_map(|letter| letter.traceparent.as_deref())
    {
        telemetry::link(&span, traceparent);
    }
    span
}
