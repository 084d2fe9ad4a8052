//! Runs and the outcomes of their batches, in PostgreSQL.

use std::{borrow::Cow, sync::LazyLock};

use async_trait::async_trait;
use jiff::Timestamp;
use pomost_models::{Outcome, RunId, RunTrigger, SlotOutcomes};
use tokio_postgres::Row;

use super::{
    PostgresStore,
    connection::Connections,
    leases::{HELD, unless_lost},
    source_keys::{self, RECORD_KEYS},
    text::{escaped, unescaped},
};
use crate::{
    Lease, OutcomeCounts, PageProgress, Result, Run, RunRequest, RunSummary, Runs, rules::run_state,
};

#[async_trait]
impl Runs for PostgresStore {
    async fn request_run(&self, request: &RunRequest) -> Result<RunId> {
        let run = RunId::generate();
        let since = request.since.as_deref().map(escaped);
        let sql = "INSERT INTO runs (id, flow, trigger, since) VALUES ($1, $2, $3, $4)";
        self.connections
            .execute(
                sql,
                &[&run.0, &request.flow, &request.trigger.as_str(), &since],
            )
            .await?;
        Ok(run)
    }

    async fn next_run(&self, flow: &str) -> Result<Option<Run>> {
        let sql = "
            SELECT id, trigger, since, checkpoint FROM runs
            WHERE flow = $1 AND extracted_at IS NULL AND trigger <> 'replay'
            ORDER BY checkpoint IS NULL, id LIMIT 1";
        let row = self.connections.query_one(sql, &[&flow]).await?;
        row.map(|row| unread_run(&self.connections, flow, &row))
            .transpose()
    }

    async fn last_request_time(
        &self,
        flow: &str,
        trigger: RunTrigger,
    ) -> Result<Option<Timestamp>> {
        let sql = "SELECT requested_at FROM runs WHERE flow = $1 AND trigger = $2 ORDER BY id DESC LIMIT 1";
        let row = self
            .connections
            .query_one(sql, &[&flow, &trigger.as_str()])
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    async fn record_page(&self, lease: &Lease, page: &PageProgress) -> Result<()> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "WITH {HELD}, begun AS (
                    UPDATE runs SET checkpoint = $4 WHERE id = $3 AND EXISTS (SELECT FROM held)
                ), batches AS (
                    SELECT $3::uuid AS run, * FROM unnest($5::text[], $6::text[]) AS batches (batch, outcomes)
                    WHERE EXISTS (SELECT FROM held)
                ), merged AS ({MERGE_AND_RESIZE}),
                {RECORD_KEYS}
                SELECT FROM held"
            )
        });
        let (batches, masks) = waiting_masks(&page.batches);
        let checkpoint = page.checkpoint.to_string();
        let (listed, forgotten) = source_keys::columns(page);
        let held = self
            .connections
            .query_one(
                &SQL,
                &[
                    &lease.name.to_string(),
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

    async fn finish_extraction(
        &self,
        lease: &Lease,
        run: RunId,
        cursor: Option<&str>,
        warning: Option<&str>,
    ) -> Result<()> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "WITH {HELD}, unended AS (
                    -- A warning that the run has already says that its cursor was set meanwhile.
                    SELECT id, warning FROM runs
                    WHERE id = $3 AND extracted_at IS NULL AND EXISTS (SELECT FROM held) FOR UPDATE
                ), ended AS (
                    UPDATE runs SET extracted_at = now(),
                        warning = nullif(concat_ws('; ', unended.warning, $5::text), '')
                    FROM unended WHERE runs.id = unended.id RETURNING flow, unended.warning AS was_set
                ), moved AS (
                    INSERT INTO cursors (flow, value)
                    SELECT flow, $4 FROM ended WHERE $4::text IS NOT NULL AND was_set IS NULL
                    ON CONFLICT (flow) DO UPDATE SET value = excluded.value
                )
                SELECT FROM held"
            )
        });
        let (cursor, warning) = (cursor.map(escaped), warning.map(escaped));
        let held = self
            .connections
            .query_one(
                &SQL,
                &[
                    &lease.name.to_string(),
                    &lease.token,
                    &run.0,
                    &cursor,
                    &warning,
                ],
            )
            .await?;
        unless_lost(held.is_some(), lease)
    }

    async fn fail_run(&self, lease: &Lease, run: RunId, error: &str) -> Result<()> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "WITH {HELD}, ended AS (
                    UPDATE runs SET extracted_at = now(), error = $4
                    WHERE id = $3 AND extracted_at IS NULL AND EXISTS (SELECT FROM held)
                )
                SELECT FROM held"
            )
        });
        let held = self
            .connections
            .query_one(
                &SQL,
                &[
                    &lease.name.to_string(),
                    &lease.token,
                    &run.0,
                    &escaped(error),
                ],
            )
            .await?;
        unless_lost(held.is_some(), lease)
    }

    async fn record_outcomes(
        &self,
        run: RunId,
        batch: &str,
        outcomes: &SlotOutcomes,
    ) -> Result<()> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!(
                "WITH batches (run, batch, outcomes) AS (VALUES ($1::uuid, $2::text, $3::text)) {MERGE}"
            )
        });
        self.connections
            .execute(&SQL, &[&run.0, &escaped(batch), &outcomes.mask()])
            .await
            .map(drop)
    }

    async fn run(&self, run: RunId) -> Result<Option<RunSummary>> {
        let sql = format!("{} WHERE id = $1", *SUMMARY);
        let row = self.connections.query_one(&sql, &[&run.0]).await?;
        row.map(|row| run_summary(&self.connections, &row))
            .transpose()
    }

    async fn runs(&self, flow: Option<&str>, limit: u32) -> Result<Vec<RunSummary>> {
        let wanted = if flow.is_some() {
            "flow = $2"
        } else {
            "$2::text IS NULL"
        };
        let sql = format!("{} WHERE {wanted} ORDER BY id DESC LIMIT $1", *SUMMARY);
        let rows = self
            .connections
            .query(&sql, &[&i64::from(limit), &flow])
            .await?;
        rows.iter()
            .map(|row| run_summary(&self.connections, row))
            .collect()
    }

    async fn last_success_time(&self, flow: &str) -> Result<Option<Timestamp>> {
        // A waiting slot in any batch means that not all records have settled.
        let sql = "
            SELECT requested_at FROM runs
            WHERE flow = $1 AND extracted_at IS NOT NULL AND error IS NULL AND trigger NOT IN ('webhook', 'replay')
                AND NOT EXISTS (SELECT FROM run_batches WHERE run = runs.id AND strpos(outcomes, $2) > 0)
                AND (EXISTS (SELECT FROM run_batches WHERE run = runs.id AND btrim(outcomes, $3) <> '')
                    OR NOT EXISTS (SELECT FROM run_batches WHERE run = runs.id AND strpos(outcomes, $4) > 0))
            ORDER BY id DESC LIMIT 1";
        let unsettled = SlotOutcomes::UNSETTLED.to_string();
        let (no_success, dead) = (
            OutcomeCounts::no_success(),
            Outcome::Dead.symbol().to_string(),
        );
        let row = self
            .connections
            .query_one(sql, &[&flow, &unsettled, &no_success, &dead])
            .await?;
        Ok(row.map(|row| row.get(0)))
    }
}

/// The part of a statement that merges the outcomes in its table `batches` into those that are
/// stored. Rows are locked in order, so that two statements never wait for each other.
pub(super) const MERGE: &str = "
    INSERT INTO run_batches (run, batch, outcomes) SELECT run, batch, outcomes FROM batches ORDER BY run, batch
    ON CONFLICT (run, batch) DO UPDATE SET outcomes = merge_outcomes(run_batches.outcomes, excluded.outcomes)";

/// As [`MERGE`], for batches that have exactly the slots in `batches` now.
const MERGE_AND_RESIZE: &str = "
    INSERT INTO run_batches (run, batch, outcomes) SELECT run, batch, outcomes FROM batches ORDER BY run, batch
    ON CONFLICT (run, batch) DO UPDATE SET outcomes = resize_outcomes(
        merge_outcomes(run_batches.outcomes, excluded.outcomes), length(excluded.outcomes))";

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

/// Number of columns of [`SUMMARY`] before the counts.
const SUMMARY_COLUMNS: usize = 9;

/// Ids and masks of batches of which no slot has settled.
pub(super) fn waiting_masks(batches: &[(String, u32)]) -> (Vec<Cow<'_, str>>, Vec<String>) {
    batches
        .iter()
        .map(|(batch, size)| {
            (
                escaped(batch),
                SlotOutcomes::unsettled(*size).mask().to_owned(),
            )
        })
        .unzip()
}

fn unread_run(connections: &Connections, flow: &str, row: &Row) -> Result<Run> {
    let id = RunId(row.get(0));
    let checkpoint: Option<String> = row.get(3);
    let checkpoint = checkpoint
        .map(|text| serde_json::from_str(&text))
        .transpose();
    Ok(Run {
        id,
        flow: flow.to_owned(),
        trigger: trigger(connections, id, row.get(1))?,
        since: row.get::<_, Option<String>>(2).map(unescaped),
        checkpoint: checkpoint
            .map_err(|_| connections.unreadable(format!("the checkpoint of run {id}")))?,
    })
}

fn run_summary(connections: &Connections, row: &Row) -> Result<RunSummary> {
    let id = RunId(row.get(0));
    let counts = OutcomeCounts::from_columns(|place| row.try_get(SUMMARY_COLUMNS + place));
    let counts = counts.map_err(|_| connections.unreadable(format!("the counts of run {id}")))?;
    let (extracted_at, error): (Option<Timestamp>, Option<String>) = (row.get(4), row.get(5));
    Ok(RunSummary {
        id,
        flow: row.get(1),
        trigger: trigger(connections, id, row.get(2))?,
        state: run_state(row.get(6), extracted_at.is_some(), error.is_some(), &counts),
        requested_at: row.get(3),
        extracted_at,
        error: error.map(unescaped),
        warning: row.get::<_, Option<String>>(7).map(unescaped),
        counts,
        blocked_by_dead_letters: row.get::<_, i64>(8).unsigned_abs(),
    })
}

fn trigger(connections: &Connections, run: RunId, word: &str) -> Result<RunTrigger> {
    word.parse()
        .map_err(|_| connections.unreadable(format!("the trigger '{word}' of run {run}")))
}
