//! Sending dead letters back to a stage.

use anyhow::{Context as _, bail, ensure};
use pomost_broker::{Queue, Route};
use pomost_expression::{Variables, read};
use pomost_extractor::rows;
use pomost_models::{Batch, DeadLetter, Record, RunId, Stage, Trigger, Version};
use pomost_project::{Flow, Project};
use pomost_runtime::{Backends, outbox, telemetry};
use pomost_store::RunRequest;
use tracing::{Instrument, info_span};

/// Replays dead letters of one flow, all to one stage, as a run of its own: publish, record, then
/// close the letters. A crash in between leaves letters open whose records were replayed; replaying
/// them again is absorbed by the ledger.
pub async fn replay(
    backends: &Backends,
    project: &Project,
    flow: &str,
    stage: Stage,
    letters: &[DeadLetter],
) -> anyhow::Result<RunId> {
    let flow =
        project.flows.get(flow).with_context(|| format!("the project has no flow '{flow}' any more"))?;
    let request = RunRequest { flow: flow.name.clone(), trigger: Trigger::Replay, since: None };
    let run = backends.store.request_run(&request).await?;
    let records =
        letters.iter().map(|letter| record(flow, letter, stage)).collect::<anyhow::Result<Vec<_>>>()?;
    let batches = batches(flow, run, records);
    let to = if stage == Stage::Extract { Stage::Transform } else { stage };
    let sent: Vec<&Batch> = batches.iter().collect();
    let route = Route::to(Queue::work(to, &flow.name));
    outbox::send(&*backends.broker, &route, &sent).instrument(span(flow, run, letters)).await?;
    let sizes: Vec<(String, u32)> = batches.iter().map(|batch| (batch.id.clone(), batch.size)).collect();
    backends.store.record_replay(run, &sizes).await?;
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
    backends.store.close_dead_letters(&ids, Some(run)).await?;
    Ok(run)
}

/// The stage a dead letter goes back to: the one asked for, or the one that failed.
pub fn stage_of(letter: &DeadLetter, asked: Option<Stage>) -> anyhow::Result<Stage> {
    let stage = asked.unwrap_or(letter.stage);
    ensure!(
        stage <= letter.stage,
        "dead letter {} failed at {}; it has not come as far as {stage}",
        letter.id,
        letter.stage
    );
    Ok(stage)
}

/// The record as the stage takes it.
fn record(flow: &Flow, letter: &DeadLetter, stage: Stage) -> anyhow::Result<Record> {
    let Some(record) = &letter.record else {
        bail!("dead letter {} is a message that could not be read; it can only be discarded", letter.id)
    };
    match stage {
        Stage::Load => Ok(record.clone()),
        Stage::Transform if letter.stage > Stage::Extract => {
            Ok(Record { data: record.extracted().to_owned(), source: None, ..record.clone() })
        }
        Stage::Extract | Stage::Transform => row(flow, letter, record),
    }
}

/// Makes the record anew of the row it was extracted from, with the flow's key and version of now.
fn row(flow: &Flow, letter: &DeadLetter, record: &Record) -> anyhow::Result<Record> {
    let value = read(record.extracted().get().as_bytes())?;
    let order = Version::new(record.version.as_str());
    let made = rows::row(flow, value, order, &Variables::default());
    let row =
        made.map_err(|refused| anyhow::anyhow!("dead letter {}: {}", letter.id, refused.diagnosis.error))?;
    Ok(row.record)
}

fn batches(flow: &Flow, run: RunId, records: Vec<Record>) -> Vec<Batch> {
    let batch = |(number, records): (usize, &[Record])| {
        let records: Vec<Record> =
            (0..).zip(records).map(|(slot, record)| Record { slot, ..record.clone() }).collect();
        let size = u32::try_from(records.len()).unwrap_or(u32::MAX);
        Batch {
            flow: flow.name.clone(),
            run,
            id: format!("replay.{number}"),
            size,
            attempt: 0,
            waits: 0,
            records,
        }
    };
    records.chunks(flow.batch_size).enumerate().map(batch).collect()
}

/// A span that links to the traces in which the letters died.
fn span(flow: &Flow, run: RunId, letters: &[DeadLetter]) -> tracing::Span {
    let span = info_span!(target: telemetry::STAGE_SPANS, "replay", otel.name = %format_args!("replay {}", flow.name), %run);
    for traceparent in letters.iter().filter_map(|letter| letter.traceparent.as_deref()) {
        telemetry::link(&span, traceparent);
    }
    span
}
