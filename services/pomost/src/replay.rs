//! Sending dead letters back to a stage.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use pomost_expression::{Variables, read};
use pomost_extractor::{
    rows::{self, Reading},
    webhook,
};
use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Lane, Record, RunId, Stage, batch::REPLAYS,
};
use pomost_project::{Flow, Project};
use pomost_runtime::{Backends, outbox, telemetry};
use pomost_store::{DeadLetterFilter, Replay, Store};
use tracing::{Instrument, Span, info_span};

/// Replays dead letters, those of a flow and a stage together as a run of their own.
///
/// A replay is begun in the store, its records are sent, and it is ended. One that was cut short in
/// between is begun still, and whoever carries it out again sends the same records under the same
/// ids: the outcomes of its slots and the ledger absorb what was sent before.
pub struct Replayer<'a> {
    /// Where letters are kept and where records go.
    pub backends: &'a Backends,
    /// The flows.
    pub project: &'a Project,
}

/// What is to be done with dead letters.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The stage they go back to; left out, the one that failed.
    pub from: Option<Stage>,
    /// What the destination has of those in doubt.
    pub found: Option<Found>,
}

/// What somebody found at the destination who looked there for a record in doubt.
#[derive(Debug, Clone)]
pub enum Found {
    /// It has no such record.
    Nothing,
    /// It has the record, under this id.
    Record(String),
}

/// What became of letters.
#[derive(Debug, Default)]
pub struct Report {
    /// The replays, and the ids of the letters that went in each.
    pub sent: Vec<(Replay, Vec<String>)>,
    /// The letters that stay as they are, by their ids, and why.
    pub skipped: Vec<(String, anyhow::Error)>,
}

impl Report {
    /// Whether the letter went in one of the replays.
    pub fn has(&self, id: &str) -> bool {
        self.sent
            .iter()
            .any(|(_, letters)| letters.iter().any(|letter| letter == id))
    }
}

impl Replayer<'_> {
    /// Carries out what was begun and not ended.
    pub async fn resume(&self) -> anyhow::Result<Report> {
        let mut report = Report::default();
        for replay in self.store().unfinished_replays().await? {
            self.carry_out(replay, &mut report).await?;
        }
        Ok(report)
    }

    /// Replays those of the letters that can be. An error is of the store or the broker.
    pub async fn replay(&self, letters: &[DeadLetter], wish: &Wish) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut groups: BTreeMap<(String, Stage), Vec<String>> = BTreeMap::new();
        for letter in letters {
            match self.ready(letter, wish).await? {
                Ok(stage) => groups
                    .entry((letter.flow.clone(), stage))
                    .or_default()
                    .push(letter.id.clone()),
                Err(reason) => report.skipped.push((letter.id.clone(), reason)),
            }
        }
        for ((flow, stage), ids) in groups {
            let replay = Replay {
                run: RunId::generate(),
                flow,
                stage,
            };
            if self.store().begin_replay(&replay, &ids).await? > 0 {
                self.carry_out(replay, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// The stage a letter goes back to, once nothing stands in its way; or what does.
    async fn ready(
        &self,
        letter: &DeadLetter,
        wish: &Wish,
    ) -> anyhow::Result<anyhow::Result<Stage>> {
        let stage = match self.check(letter, wish) {
            Ok(stage) => stage,
            Err(reason) => return Ok(Err(reason)),
        };
        let (DeadLetterReason::InDoubt, Some(found)) = (letter.reason, &wish.found) else {
            return Ok(Ok(stage));
        };
        let id = match found {
            Found::Nothing => None,
            Found::Record(id) => Some(id.as_str()),
        };
        let resolved = self
            .store()
            .resolve_in_doubt(&letter.flow, letter.key(), id)
            .await?;
        Ok(if resolved {
            Ok(stage)
        } else {
            Err(anyhow::anyhow!(BUSY))
        })
    }

    fn check(&self, letter: &DeadLetter, wish: &Wish) -> anyhow::Result<Stage> {
        let stage = wish.from.unwrap_or(letter.stage);
        ensure!(
            stage <= letter.stage,
            "it failed at {}; it has not come as far as {stage}",
            letter.stage
        );
        let flow = self.flow(&letter.flow)?;
        record(flow, letter, stage)?;
        let can_tell = flow.load.can_clear_doubt();
        ensure!(
            letter.reason != DeadLetterReason::InDoubt || can_tell || wish.found.is_some(),
            IN_DOUBT
        );
        Ok(stage)
    }

    /// Sends the letters of a replay that are open, and ends it.
    async fn carry_out(&self, replay: Replay, report: &mut Report) -> anyhow::Result<()> {
        let its = DeadLetterFilter {
            replayed_in: Some(replay.run),
            limit: u32::MAX,
            ..DeadLetterFilter::default()
        };
        let letters = self.store().dead_letters(&its).await?;
        let (mut records, mut sent) = (BTreeMap::<Kind, Vec<_>>::new(), Vec::new());
        let mut replaced = Vec::new();
        for letter in &letters {
            match self
                .flow(&letter.flow)
                .and_then(|flow| record(flow, letter, replay.stage))
            {
                Ok(record) => {
                    let kind = Kind::of(letter, &record);
                    let old = letter.record.as_ref();
                    let old = old.filter(|old| kind.told || is_another(old, &record));
                    replaced.extend(old.map(Record::bare));
                    records.entry(kind).or_default().push(record);
                    sent.push(letter.id.clone());
                }
                Err(reason) => report.skipped.push((letter.id.clone(), reason)),
            }
        }
        let sizes = self
            .send(&replay, records)
            .instrument(span(&replay, &letters))
            .await?;
        self.settle_replaced(&replay, &replaced).await?;
        self.store().end_replay(replay.run, &sizes, &sent).await?;
        report.sent.push((replay, sent));
        Ok(())
    }

    /// Publishes records in batches, those of each kind apart from others, and returns the batches' ids and
    /// sizes. A row that is extracted again has only to be mapped, unless the source has yet to be asked about it.
    async fn send(
        &self,
        replay: &Replay,
        records: BTreeMap<Kind, Vec<Record>>,
    ) -> anyhow::Result<Vec<(String, u32)>> {
        let size = self.flow(&replay.flow).map_or(1, |flow| flow.batch_size);
        let mut sizes = Vec::new();
        for (kind, records) in records {
            let stage = if kind.told {
                Stage::Extract
            } else {
                replay.stage.max(Stage::Transform)
            };
            let batches = batches(replay, kind, &records, size);
            let new: Vec<&Batch> = batches.iter().collect();
            outbox::enter(self.backends, self.flow(&replay.flow)?, stage, &new, &[]).await?;
            sizes.extend(batches.into_iter().map(|batch| (batch.id, batch.size)));
        }
        Ok(sizes)
    }

    /// Nothing is to wait for changes whose keys or versions are read otherwise now.
    async fn settle_replaced(&self, replay: &Replay, replaced: &[Record]) -> anyhow::Result<()> {
        let old = batches(replay, Kind::default(), replaced, replaced.len().max(1));
        for batch in &old {
            self.store().settle_changes(batch).await?;
        }
        Ok(())
    }

    fn flow(&self, name: &str) -> anyhow::Result<&Flow> {
        let flow = self.project.flows.get(name);
        flow.map(|flow| &**flow)
            .with_context(|| format!("the project has no flow '{name}' any more"))
    }

    fn store(&self) -> &dyn Store {
        &*self.backends.store
    }
}

const BUSY: &str = "a worker is at its record right now; try again shortly";

const IN_DOUBT: &str = "whether the destination has its record is in doubt: look there, then replay it with \
                        --absent or, where it is there, with --present and its id";

const WITHOUT_HEADERS: &str = "it was delivered to a webhook that reads it by the delivery's $headers, which are not \
                               kept: let the source deliver it again, or replay it from load";

const WITHOUT_PARENT: &str = "it was read for a record of another listing, $parent, which is not kept and which its key \
                              or version is made of: start a run, or replay it from load";

const WITHOUT_PLACE: &str = "extract.fetch asks about it by $cursor, $until or $page of the run that read it, which are \
                             not kept: start a run";

/// The record as the stage takes it.
fn record(flow: &Flow, letter: &DeadLetter, stage: Stage) -> anyhow::Result<Record> {
    let Some(record) = &letter.record else {
        bail!("it is a message that could not be read; it can only be discarded")
    };
    match stage {
        Stage::Load => Ok(record.clone()),
        // As it came to that stage: nothing was made of it yet.
        Stage::Transform if letter.stage > Stage::Extract && record.source.is_none() => {
            Ok(record.clone())
        }
        Stage::Extract if letter.is_told() => told(flow, letter, record),
        Stage::Extract | Stage::Transform => row(Reading::of_batch(flow, &letter.batch), record),
    }
}

/// What was told, of which the source is asked once more. What it has then is a newer record, so nothing waits
/// for the one that died.
fn told(flow: &Flow, letter: &DeadLetter, record: &Record) -> anyhow::Result<Record> {
    let (reading, fetch) = (
        Reading::of_batch(flow, &letter.batch),
        webhook::fetch_of(flow, &letter.batch),
    );
    let uses =
        |name| reading.uses_variable(name) || fetch.is_some_and(|fetch| fetch.uses_variable(name));
    ensure!(
        !uses("headers") || record.data.get() != "null",
        WITHOUT_HEADERS
    );
    ensure!(!uses("parent"), WITHOUT_PARENT);
    ensure!(
        !["cursor", "until", "page"].into_iter().any(uses),
        WITHOUT_PLACE
    );
    Ok(record.clone())
}

/// Records that share batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    /// They were delivered, and are read as deliveries are.
    delivered: bool,
    /// They were told, and the source has yet to be asked about them.
    told: bool,
}

impl Kind {
    fn of(letter: &DeadLetter, record: &Record) -> Kind {
        let delivered = letter.batch.starts_with(webhook::BATCHES);
        Kind {
            delivered,
            told: record.is_told(letter.stage),
        }
    }

    /// What the ids of their batches begin with.
    fn prefix(self) -> String {
        let (delivered, told) = (
            self.delivered.then_some(webhook::BATCHES),
            self.told.then_some("told."),
        );
        delivered.into_iter().chain(told).collect()
    }
}

fn is_another(old: &Record, new: &Record) -> bool {
    old.key != new.key || old.version != new.version
}

/// Makes the record anew of the row it was extracted from, with the flow's key and version of now.
/// The key it has may be that of one part of the row.
fn row(reading: Reading<'_>, record: &Record) -> anyhow::Result<Record> {
    ensure!(!reading.uses_variable("headers"), WITHOUT_HEADERS);
    ensure!(!reading.uses_variable("parent"), WITHOUT_PARENT);
    let value = read(record.extracted().get().as_bytes())?;
    let order = record.version.clone();
    match rows::row(reading, value, order, &Variables::default()) {
        Ok(row) => Ok(row.record),
        Err(refused) => bail!(refused.diagnosis.error),
    }
}

fn batches(replay: &Replay, kind: Kind, records: &[Record], size: usize) -> Vec<Batch> {
    let prefix = kind.prefix();
    let batch = |(number, records): (usize, &[Record])| {
        let records: Vec<Record> = (0..)
            .zip(records)
            .map(|(slot, record)| Record {
                slot,
                ..record.clone()
            })
            .collect();
        Batch {
            flow: replay.flow.clone(),
            run: replay.run,
            id: format!("{prefix}{REPLAYS}{number}"),
            size: u32::try_from(records.len()).unwrap_or(u32::MAX),
            attempt: 0,
            waits: 0,
            lane: Lane::Live,
            records,
        }
    };
    records.chunks(size).enumerate().map(batch).collect()
}

/// A span that links to the traces in which the letters died.
fn span(replay: &Replay, letters: &[DeadLetter]) -> Span {
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
