//! Runs and the outcomes of their batches, in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use pomost_models::{Outcome, RunId, RunTrigger, SlotOutcomes};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{SqliteStore, cursors, parked, source_keys, values};
use crate::{
    Error, Lease, OutcomeCounts, PageProgress, Result, Run, RunRequest, RunSummary, Runs,
    rules::run_state,
};

#[async_trait]
impl Runs for SqliteStore {
    async fn request_run(&self, request: &RunRequest) -> Result<RunId> {
        let (run, request) = (RunId::generate(), request.clone());
        let sql = r#"INSERT INTO runs (id, flow, "trigger", since, requested_at) VALUES (?1, ?2, ?3, ?4, ?5)"#;
        self.write(move |transaction| {
            let trigger = request.trigger.as_str();
            transaction.execute(
                sql,
                params![
                    run.to_string(),
                    request.flow,
                    trigger,
                    request.since,
                    values::now()
                ],
            )?;
            Ok(run)
        })
        .await
    }

    async fn next_run(&self, flow: &str) -> Result<Option<Run>> {
        let flow = flow.to_owned();
        let sql = r#"
            SELECT id, flow, "trigger", since, checkpoint FROM runs
            WHERE flow = ?1 AND extracted_at IS NULL AND "trigger" <> 'replay'
            ORDER BY checkpoint IS NULL, id LIMIT 1"#;
        let row = self.read(move |connection| {
            connection
                .prepare_cached(sql)?
                .query_row([flow], unread_run)
                .optional()
        });
        row.await?
            .map(|(run, checkpoint)| with_checkpoint(run, checkpoint))
            .transpose()
    }

    async fn last_request_time(
        &self,
        flow: &str,
        trigger: RunTrigger,
    ) -> Result<Option<Timestamp>> {
        let flow = flow.to_owned();
        let sql = r#"SELECT requested_at FROM runs WHERE flow = ?1 AND "trigger" = ?2 ORDER BY id DESC LIMIT 1"#;
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .query_row((flow, trigger.as_str()), |row| values::time(0, row.get(0)?))
                .optional()
        })
        .await
    }

    async fn record_page(&self, lease: &Lease, page: &PageProgress) -> Result<()> {
        let page = page.clone();
        self.while_held(lease, move |transaction| {
            let checkpoint = page.checkpoint.to_string();
            transaction.execute(
                "UPDATE runs SET checkpoint = ?2 WHERE id = ?1",
                (page.run.to_string(), checkpoint),
            )?;
            source_keys::record_page(transaction, &page)?;
            add_batches(transaction, page.run, &page.batches)?;
            page.batches
                .iter()
                .try_for_each(|(batch, size)| resize(transaction, page.run, batch, *size))
        })
        .await
    }

    async fn finish_extraction(
        &self,
        lease: &Lease,
        run: RunId,
        cursor: Option<&str>,
        warning: Option<&str>,
    ) -> Result<()> {
        let (cursor, warning) = (cursor.map(str::to_owned), warning.map(str::to_owned));
        self.while_held(lease, move |transaction| {
            let Some(flow) = end(transaction, run, None)? else {
                return Ok(());
            };
            // A warning that the run has already says that its cursor was set meanwhile.
            let was_set: bool = transaction.query_row(
                "SELECT warning IS NOT NULL FROM runs WHERE id = ?1",
                [run.to_string()],
                |row| row.get(0),
            )?;
            transaction.execute(
                "UPDATE runs SET warning = nullif(concat_ws('; ', warning, ?2), '') WHERE id = ?1",
                (run.to_string(), warning),
            )?;
            match cursor {
                Some(cursor) if !was_set => cursors::set(transaction, &flow, Some(&cursor)),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn fail_run(&self, lease: &Lease, run: RunId, error: &str) -> Result<()> {
        let error = error.to_owned();
        self.while_held(lease, move |transaction| {
            end(transaction, run, Some(&error)).map(drop)
        })
        .await
    }

    async fn record_outcomes(
        &self,
        run: RunId,
        batch: &str,
        outcomes: &SlotOutcomes,
    ) -> Result<()> {
        let (batch, outcomes) = (batch.to_owned(), outcomes.clone());
        self.write(move |transaction| merge_batch(transaction, run, &batch, outcomes.mask()))
            .await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunSummary>> {
        let sql = format!("{SUMMARY} WHERE id = ?1");
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_row([run.to_string()], |row| run_summary(connection, row))
                .optional()
        })
        .await
    }

    async fn runs(&self, flow: Option<&str>, limit: u32) -> Result<Vec<RunSummary>> {
        let flow = flow.map(str::to_owned);
        let wanted = if flow.is_some() {
            "flow = ?2"
        } else {
            "?2 IS NULL"
        };
        let sql = format!("{SUMMARY} WHERE {wanted} ORDER BY id DESC LIMIT ?1");
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_map((limit, flow), |row| run_summary(connection, row))?
                .collect()
        })
        .await
    }

    async fn last_success_time(&self, flow: &str) -> Result<Option<Timestamp>> {
        let flow = flow.to_owned();
        // A waiting slot in any batch means that not all records have settled.
        let sql = r#"
            SELECT requested_at FROM runs
            WHERE flow = ?1 AND extracted_at IS NOT NULL AND error IS NULL AND "trigger" NOT IN ('webhook', 'replay')
                AND NOT EXISTS (SELECT 1 FROM run_batches WHERE run = runs.id AND instr(outcomes, ?2) > 0)
                AND (EXISTS (SELECT 1 FROM run_batches WHERE run = runs.id AND trim(outcomes, ?3) <> '')
                    OR NOT EXISTS (SELECT 1 FROM run_batches WHERE run = runs.id AND instr(outcomes, ?4) > 0))
            ORDER BY id DESC LIMIT 1"#;
        self.read(move |connection| {
            let waiting = SlotOutcomes::UNSETTLED.to_string();
            let no_success = OutcomeCounts::no_success();
            let dead = Outcome::Dead.symbol().to_string();
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .query_row((flow, waiting, no_success, dead), |row| {
                    values::time(0, row.get(0)?)
                })
                .optional()
        })
        .await
    }
}

const SUMMARY: &str = r#"SELECT id, flow, "trigger", requested_at, extracted_at, error, checkpoint IS NOT NULL, warning FROM runs"#;

/// Merges the outcomes of one batch into those that its run has.
pub(super) fn merge_batch(
    transaction: &Transaction<'_>,
    run: RunId,
    batch: &str,
    mask: &str,
) -> rusqlite::Result<()> {
    let run = run.to_string();
    let stored: Option<String> = transaction
        .prepare_cached("SELECT outcomes FROM run_batches WHERE run = ?1 AND batch = ?2")?
        .query_row((&run, batch), |row| row.get(0))
        .optional()?;
    let merged = stored.as_deref().map_or_else(
        || mask.to_owned(),
        |stored| SlotOutcomes::merge(stored, mask),
    );
    if stored.as_ref() == Some(&merged) {
        // Outcomes that come again are not worth a write.
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO run_batches (run, batch, outcomes) VALUES (?1, ?2, ?3)";
    transaction
        .prepare_cached(sql)?
        .execute((&run, batch, merged))
        .map(drop)
}

/// Ends a run that has not ended, and returns its flow.
pub(super) fn end(
    transaction: &Transaction<'_>,
    run: RunId,
    error: Option<&str>,
) -> rusqlite::Result<Option<String>> {
    let sql = "
        UPDATE runs SET extracted_at = ?2, error = ?3 WHERE id = ?1 AND extracted_at IS NULL RETURNING flow";
    transaction
        .query_row(sql, (run.to_string(), values::now(), error), |row| {
            row.get(0)
        })
        .optional()
}

/// Adds batches of which no slot has settled to a run.
pub(super) fn add_batches(
    transaction: &Transaction<'_>,
    run: RunId,
    batches: &[(String, u32)],
) -> rusqlite::Result<()> {
    batches.iter().try_for_each(|(batch, size)| {
        merge_batch(
            transaction,
            run,
            batch,
            SlotOutcomes::unsettled(*size).mask(),
        )
    })
}

/// Vacates the waiting slots that a batch no longer has. Slots that have settled stay: their
/// records were published before the page was read again.
fn resize(
    transaction: &Transaction<'_>,
    run: RunId,
    batch: &str,
    size: u32,
) -> rusqlite::Result<()> {
    let sql = "
        UPDATE run_batches SET outcomes = substr(outcomes, 1, ?3) || rtrim(replace(substr(outcomes, ?3 + 1), ?4, ?5), ?5)
        WHERE run = ?1 AND batch = ?2 AND length(outcomes) > ?3";
    let waiting = SlotOutcomes::UNSETTLED.to_string();
    let vacant = SlotOutcomes::VACANT.to_string();
    transaction
        .prepare_cached(sql)?
        .execute((run.to_string(), batch, size, waiting, vacant))
        .map(drop)
}

/// A run, and the text of its checkpoint.
fn unread_run(row: &Row<'_>) -> rusqlite::Result<(Run, Option<String>)> {
    let run = Run {
        id: values::run_id(0, &row.get::<_, String>(0)?)?,
        flow: row.get(1)?,
        trigger: values::trigger(2, &row.get::<_, String>(2)?)?,
        since: row.get(3)?,
        checkpoint: None,
    };
    Ok((run, row.get(4)?))
}

fn with_checkpoint(run: Run, text: Option<String>) -> Result<Run> {
    let checkpoint = text.map(|text| serde_json::from_str(&text)).transpose();
    let checkpoint =
        checkpoint.map_err(|_| Error::Unreadable(format!("the checkpoint of run {}", run.id)))?;
    Ok(Run { checkpoint, ..run })
}

fn run_summary(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let id = values::run_id(0, &row.get::<_, String>(0)?)?;
    let counts = counts(connection, id)?;
    let (extracted_at, error): (Option<i64>, Option<String>) = (row.get(4)?, row.get(5)?);
    Ok(RunSummary {
        id,
        flow: row.get(1)?,
        trigger: values::trigger(2, &row.get::<_, String>(2)?)?,
        state: run_state(
            row.get(6)?,
            extracted_at.is_some(),
            error.is_some(),
            &counts,
        ),
        requested_at: values::time(3, row.get(3)?)?,
        extracted_at: extracted_at.map(|time| values::time(4, time)).transpose()?,
        error,
        warning: row.get(7)?,
        counts,
        blocked_by_dead_letters: parked::count_blocked_by_dead_letters(connection, id)?,
    })
}

fn counts(connection: &Connection, run: RunId) -> rusqlite::Result<OutcomeCounts> {
    let sql = format!(
        "SELECT {} FROM run_batches WHERE run = ?1",
        OutcomeCounts::columns()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([run.to_string()], |row| {
        OutcomeCounts::from_columns(|column| row.get(column))
    })
}
