//! Leases, runs, their batches, and cursors.

use std::{borrow::Cow, sync::LazyLock, time::Duration};

use pomost_models::{RunId, RunTrigger, SlotOutcomes};
use tokio_postgres::Row;

use super::{
    connection::Connections,
    source_keys::{self, NOTE},
    text::{restored, stored},
};
use crate::{Error, Lease, OutcomeCounts, PageProgress, Result, Run, RunRequest, RunSummary};

/// A lease that is taken cannot change hands before the statement that asks for it has committed.
const HELD: &str =
    "held AS MATERIALIZED (SELECT FROM leases WHERE name = $1 AND token = $2 FOR UPDATE)";

/// How batches are written by a statement that names them `batches`; in order, so that two
/// statements never wait for each other.
pub(super) const MERGE: &str = "
    INSERT INTO run_batches (run, batch, outcomes) SELECT run, batch, outcomes FROM batches ORDER BY run, batch
    ON CONFLICT (run, batch) DO UPDATE SET outcomes = merge_outcomes(run_batches.outcomes, excluded.outcomes)";

/// The same, of batches whose outcomes are as many as they have slots now.
const MERGE_WHOLE: &str = "
    INSERT INTO run_batches (run, batch, outcomes) SELECT run, batch, outcomes FROM batches ORDER BY run, batch
    ON CONFLICT (run, batch) DO UPDATE SET outcomes = resize_outcomes(
        merge_outcomes(run_batches.outcomes, excluded.outcomes), length(excluded.outcomes))";

pub(super) async fn acquire_lease(
    connections: &Connections,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Option<Lease>> {
    let sql = "
        INSERT INTO leases AS lease VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
        ON CONFLICT (name) DO UPDATE
            SET holder = excluded.holder, token = lease.token + 1, expires_at = excluded.expires_at
            WHERE lease.expires_at <= clock_timestamp() OR lease.holder = excluded.holder
        RETURNING token";
    let row = connections
        .query_one(sql, &[&name, &holder, &ttl.as_secs_f64()])
        .await?;
    Ok(row.map(|row| Lease {
        name: name.to_owned(),
        token: row.get(0),
    }))
}

pub(super) async fn renew_lease(
    connections: &Connections,
    lease: &Lease,
    ttl: Duration,
) -> Result<()> {
    let sql = "
        UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $3)
        WHERE name = $1 AND token = $2";
    let held = connections
        .execute(sql, &[&lease.name, &lease.token, &ttl.as_secs_f64()])
        .await?
        > 0;
    unless_lost(held, lease)
}

pub(super) async fn release_lease(connections: &Connections, lease: &Lease) -> Result<()> {
    let sql = "
        UPDATE leases SET token = token + 1, expires_at = clock_timestamp() WHERE name = $1 AND token = $2";
    connections
        .execute(sql, &[&lease.name, &lease.token])
        .await
        .map(drop)
}

pub(super) async fn request(connections: &Connections, request: &RunRequest) -> Result<RunId> {
    let run = RunId::generate();
    let since = request.since.as_deref().map(stored);
    let sql = "INSERT INTO runs (id, flow, trigger, since) VALUES ($1, $2, $3, $4)";
    connections
        .execute(
            sql,
            &[&run.0, &request.flow, &request.trigger.as_str(), &since],
        )
        .await?;
    Ok(run)
}

pub(super) async fn open(connections: &Connections, flow: &str) -> Result<Option<Run>> {
    let sql = "
        SELECT id, trigger, since, checkpoint FROM runs
        WHERE flow = $1 AND extracted_at IS NULL AND trigger <> 'replay'
        ORDER BY checkpoint IS NULL, id LIMIT 1";
    let row = connections.query_one(sql, &[&flow]).await?;
    row.map(|row| open_run(connections, flow, &row)).transpose()
}

pub(super) async fn last_requested(
    connections: &Connections,
    flow: &str,
    trigger: RunTrigger,
) -> Result<Option<jiff::Timestamp>> {
    let sql =
        "SELECT requested_at FROM runs WHERE flow = $1 AND trigger = $2 ORDER BY id DESC LIMIT 1";
    let row = connections
        .query_one(sql, &[&flow, &trigger.as_str()])
        .await?;
    Ok(row.map(|row| row.get(0)))
}

pub(super) async fn record_page(
    connections: &Connections,
    lease: &Lease,
    page: &PageProgress,
) -> Result<()> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "WITH {HELD}, begun AS (
                UPDATE runs SET checkpoint = $4 WHERE id = $3 AND EXISTS (SELECT FROM held)
            ), batches AS (
                SELECT $3::uuid AS run, * FROM unnest($5::text[], $6::text[]) AS batches (batch, outcomes)
                WHERE EXISTS (SELECT FROM held)
            ), merged AS ({MERGE_WHOLE}),
            {NOTE}
            SELECT FROM held"
        )
    });
    let (batches, masks) = waiting(&page.batches);
    let checkpoint = page.checkpoint.to_string();
    let (listed, forgotten) = source_keys::columns(page);
    let held = connections
        .query_one(
            &SQL,
            &[
                &lease.name,
                &lease.token,
                &page.run.0,
                &checkpoint,
                &batches,
                &masks,
                &listed,
                &forgotten,
            ],
        )
        .await?;
    unless_lost(held.is_some(), lease)
}

pub(super) async fn finish_extraction(
    connections: &Connections,
    lease: &Lease,
    run: RunId,
    cursor: Option<&str>,
    warning: Option<&str>,
) -> Result<()> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "WITH {HELD}, ended AS (
                UPDATE runs SET extracted_at = now(), warning = $5
                WHERE id = $3 AND extracted_at IS NULL AND EXISTS (SELECT FROM held) RETURNING flow
            ), moved AS (
                INSERT INTO cursors (flow, value) SELECT flow, $4 FROM ended WHERE $4::text IS NOT NULL
                ON CONFLICT (flow) DO UPDATE SET value = excluded.value
            )
            SELECT FROM held"
        )
    });
    let (cursor, warning) = (cursor.map(stored), warning.map(stored));
    let held = connections
        .query_one(
            &SQL,
            &[&lease.name, &lease.token, &run.0, &cursor, &warning],
        )
        .await?;
    unless_lost(held.is_some(), lease)
}

pub(super) async fn fail(
    connections: &Connections,
    lease: &Lease,
    run: RunId,
    error: &str,
) -> Result<()> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "WITH {HELD}, ended AS (
                UPDATE runs SET extracted_at = now(), error = $4
                WHERE id = $3 AND extracted_at IS NULL AND EXISTS (SELECT FROM held)
            )
            SELECT FROM held"
        )
    });
    let held = connections
        .query_one(&SQL, &[&lease.name, &lease.token, &run.0, &stored(error)])
        .await?;
    unless_lost(held.is_some(), lease)
}

pub(super) async fn record_outcomes(
    connections: &Connections,
    run: RunId,
    batch: &str,
    outcomes: &SlotOutcomes,
) -> Result<()> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "WITH batches (run, batch, outcomes) AS (VALUES ($1::uuid, $2::text, $3::text)) {MERGE}"
        )
    });
    connections
        .execute(&SQL, &[&run.0, &stored(batch), &outcomes.mask()])
        .await
        .map(drop)
}

static SUMMARY: LazyLock<String> = LazyLock::new(|| {
    let counts = OutcomeCounts::columns();
    format!(
        "SELECT id, flow, trigger, requested_at, extracted_at, error, checkpoint IS NOT NULL, warning, (
            SELECT count(DISTINCT (batch, slot)) FROM parked WHERE parked.run = runs.id AND EXISTS (
                SELECT FROM changes WHERE changes.flow = parked.flow AND changes.key = parked.key AND changes.dead
                    AND waits_for(parked.version, changes.version))
        ), counts.*
        FROM runs, LATERAL (SELECT {counts} FROM run_batches WHERE run = runs.id) AS counts"
    )
});

/// Columns of [`SUMMARY`] before the counts.
const SUMMARY_COLUMNS: usize = 9;

pub(super) async fn summary(connections: &Connections, run: RunId) -> Result<Option<RunSummary>> {
    let sql = format!("{} WHERE id = $1", *SUMMARY);
    let row = connections.query_one(&sql, &[&run.0]).await?;
    row.map(|row| run_summary(connections, &row)).transpose()
}

pub(super) async fn summaries(
    connections: &Connections,
    flow: Option<&str>,
    limit: u32,
) -> Result<Vec<RunSummary>> {
    let wanted = if flow.is_some() {
        "flow = $2"
    } else {
        "$2::text IS NULL"
    };
    let sql = format!("{} WHERE {wanted} ORDER BY id DESC LIMIT $1", *SUMMARY);
    let rows = connections.query(&sql, &[&i64::from(limit), &flow]).await?;
    rows.iter()
        .map(|row| run_summary(connections, row))
        .collect()
}

pub(super) async fn cursor(connections: &Connections, flow: &str) -> Result<Option<String>> {
    let row = connections
        .query_one("SELECT value FROM cursors WHERE flow = $1", &[&flow])
        .await?;
    Ok(row.map(|row| restored(row.get(0))))
}

pub(super) async fn set_cursor(
    connections: &Connections,
    flow: &str,
    value: Option<&str>,
) -> Result<()> {
    let set = "
        INSERT INTO cursors (flow, value) VALUES ($1, $2) ON CONFLICT (flow) DO UPDATE SET value = excluded.value";
    match value {
        Some(value) => connections.execute(set, &[&flow, &stored(value)]).await,
        None => {
            connections
                .execute("DELETE FROM cursors WHERE flow = $1", &[&flow])
                .await
        }
    }
    .map(drop)
}

fn unless_lost(held: bool, lease: &Lease) -> Result<()> {
    if held {
        Ok(())
    } else {
        Err(Error::LeaseLost(lease.name.clone()))
    }
}

pub(super) fn waiting(batches: &[(String, u32)]) -> (Vec<Cow<'_, str>>, Vec<String>) {
    batches
        .iter()
        .map(|(batch, size)| {
            (
                stored(batch),
                SlotOutcomes::unsettled(*size).mask().to_owned(),
            )
        })
        .unzip()
}

fn open_run(connections: &Connections, flow: &str, row: &Row) -> Result<Run> {
    let id = RunId(row.get(0));
    let checkpoint: Option<String> = row.get(3);
    let checkpoint = checkpoint
        .map(|text| serde_json::from_str(&text))
        .transpose();
    Ok(Run {
        id,
        flow: flow.to_owned(),
        trigger: trigger(connections, id, row.get(1))?,
        since: row.get::<_, Option<String>>(2).map(restored),
        checkpoint: checkpoint
            .map_err(|_| connections.unreadable(format!("the checkpoint of run {id}")))?,
    })
}

fn run_summary(connections: &Connections, row: &Row) -> Result<RunSummary> {
    let id = RunId(row.get(0));
    let counts = OutcomeCounts::from_columns(|place| row.try_get(SUMMARY_COLUMNS + place));
    let counts = counts.map_err(|_| connections.unreadable(format!("the counts of run {id}")))?;
    let (extracted_at, error): (Option<jiff::Timestamp>, Option<String>) = (row.get(4), row.get(5));
    Ok(RunSummary {
        id,
        flow: row.get(1),
        trigger: trigger(connections, id, row.get(2))?,
        state: RunSummary::state_of(row.get(6), extracted_at.is_some(), error.is_some(), &counts),
        requested_at: row.get(3),
        extracted_at,
        error: error.map(restored),
        warning: row.get::<_, Option<String>>(7).map(restored),
        counts,
        blocked_by_dead_letters: row.get::<_, i64>(8).unsigned_abs(),
    })
}

fn trigger(connections: &Connections, run: RunId, word: &str) -> Result<RunTrigger> {
    word.parse()
        .map_err(|_| connections.unreadable(format!("the trigger '{word}' of run {run}")))
}
