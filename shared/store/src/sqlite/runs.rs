//! Leases, runs, their batches, and cursors.

use std::time::Duration;

use jiff::Timestamp;
use pomost_models::{RunId, RunTrigger, SlotOutcomes};
use pomost_sqlite::Database;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::{changes, source_keys, values};
use crate::{Error, Lease, OutcomeCounts, PageProgress, Result, Run, RunRequest, RunSummary};

pub(super) async fn acquire_lease(
    database: &Database,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Option<Lease>> {
    let (name, holder) = (name.to_owned(), holder.to_owned());
    let sql = "
        INSERT INTO leases AS lease VALUES (?1, ?2, 1, ?3)
        ON CONFLICT (name) DO UPDATE
            SET holder = excluded.holder, token = lease.token + 1, expires_at = excluded.expires_at
            WHERE lease.expires_at <= ?4 OR lease.holder = excluded.holder
        RETURNING token";
    let taken = database.write(move |transaction| {
        let parameters = (&name, &holder, values::in_future(ttl), values::now());
        let token = transaction
            .query_row(sql, parameters, |row| row.get(0))
            .optional()?;
        Ok(token.map(|token| Lease { name, token }))
    });
    Ok(taken.await?)
}

pub(super) async fn renew_lease(database: &Database, lease: &Lease, ttl: Duration) -> Result<()> {
    let sql = "UPDATE leases SET expires_at = ?2 WHERE name = ?1";
    while_held(database, lease, move |transaction, lease| {
        transaction
            .execute(sql, (&lease.name, values::in_future(ttl)))
            .map(drop)
    })
    .await
}

pub(super) async fn release_lease(database: &Database, lease: &Lease) -> Result<()> {
    let lease = lease.clone();
    let sql = "UPDATE leases SET token = token + 1, expires_at = 0 WHERE name = ?1 AND token = ?2";
    Ok(database
        .write(move |transaction| {
            transaction
                .execute(sql, (&lease.name, lease.token))
                .map(drop)
        })
        .await?)
}

pub(super) async fn request(database: &Database, request: &RunRequest) -> Result<RunId> {
    let (run, request) = (RunId::generate(), request.clone());
    let sql = r#"INSERT INTO runs (id, flow, "trigger", since, requested_at) VALUES (?1, ?2, ?3, ?4, ?5)"#;
    let requested = database.write(move |transaction| {
        let trigger = request.trigger.as_str();
        transaction.execute(
            sql,
            (
                run.to_string(),
                request.flow,
                trigger,
                request.since,
                values::now(),
            ),
        )
    });
    requested.await?;
    Ok(run)
}

pub(super) async fn open(database: &Database, flow: &str) -> Result<Option<Run>> {
    let flow = flow.to_owned();
    let sql = r#"
        SELECT id, flow, "trigger", since, checkpoint FROM runs
        WHERE flow = ?1 AND extracted_at IS NULL AND "trigger" <> 'replay'
        ORDER BY checkpoint IS NULL, id LIMIT 1"#;
    let row = database
        .read(move |connection| {
            connection
                .prepare_cached(sql)?
                .query_row([flow], open_run)
                .optional()
        })
        .await?;
    row.map(|(run, checkpoint)| with_checkpoint(run, checkpoint))
        .transpose()
}

pub(super) async fn last_requested(
    database: &Database,
    flow: &str,
    trigger: RunTrigger,
) -> Result<Option<Timestamp>> {
    let flow = flow.to_owned();
    let sql = r#"SELECT requested_at FROM runs WHERE flow = ?1 AND "trigger" = ?2 ORDER BY id DESC LIMIT 1"#;
    let time = database.read(move |connection| {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_row((flow, trigger.as_str()), |row| values::time(0, row.get(0)?))
            .optional()
    });
    Ok(time.await?)
}

pub(super) async fn record_page(
    database: &Database,
    lease: &Lease,
    page: &PageProgress,
) -> Result<()> {
    let page = page.clone();
    while_held(database, lease, move |transaction, _| {
        let checkpoint = page.checkpoint.to_string();
        transaction.execute(
            "UPDATE runs SET checkpoint = ?2 WHERE id = ?1",
            (page.run.to_string(), checkpoint),
        )?;
        source_keys::note(transaction, &page)?;
        add_batches(transaction, page.run, &page.batches)?;
        page.batches
            .iter()
            .try_for_each(|(batch, size)| resize(transaction, page.run, batch, *size))
    })
    .await
}

pub(super) async fn finish_extraction(
    database: &Database,
    lease: &Lease,
    run: RunId,
    cursor: Option<&str>,
    warning: Option<&str>,
) -> Result<()> {
    let (cursor, warning) = (cursor.map(str::to_owned), warning.map(str::to_owned));
    while_held(database, lease, move |transaction, _| {
        let Some(flow) = end(transaction, run, None)? else {
            return Ok(());
        };
        transaction.execute(
            "UPDATE runs SET warning = ?2 WHERE id = ?1",
            (run.to_string(), warning),
        )?;
        match cursor {
            Some(cursor) => put_cursor(transaction, &flow, Some(&cursor)),
            None => Ok(()),
        }
    })
    .await
}

pub(super) async fn fail(
    database: &Database,
    lease: &Lease,
    run: RunId,
    error: &str,
) -> Result<()> {
    let error = error.to_owned();
    while_held(database, lease, move |transaction, _| {
        end(transaction, run, Some(&error)).map(drop)
    })
    .await
}

pub(super) async fn record_outcomes(
    database: &Database,
    run: RunId,
    batch: &str,
    outcomes: &SlotOutcomes,
) -> Result<()> {
    let (batch, outcomes) = (batch.to_owned(), outcomes.clone());
    Ok(database
        .write(move |transaction| merge_batch(transaction, run, &batch, outcomes.mask()))
        .await?)
}

const SUMMARY: &str = r#"SELECT id, flow, "trigger", requested_at, extracted_at, error, checkpoint IS NOT NULL, warning FROM runs"#;

pub(super) async fn summary(database: &Database, run: RunId) -> Result<Option<RunSummary>> {
    let sql = format!("{SUMMARY} WHERE id = ?1");
    let summary = database.read(move |connection| {
        let mut statement = connection.prepare_cached(&sql)?;
        statement
            .query_row([run.to_string()], |row| run_summary(connection, row))
            .optional()
    });
    Ok(summary.await?)
}

pub(super) async fn summaries(
    database: &Database,
    flow: Option<&str>,
    limit: u32,
) -> Result<Vec<RunSummary>> {
    let flow = flow.map(str::to_owned);
    let wanted = if flow.is_some() {
        "flow = ?2"
    } else {
        "?2 IS NULL"
    };
    let sql = format!("{SUMMARY} WHERE {wanted} ORDER BY id DESC LIMIT ?1");
    let summaries = database.read(move |connection| {
        let mut statement = connection.prepare_cached(&sql)?;
        statement
            .query_map((limit, flow), |row| run_summary(connection, row))?
            .collect()
    });
    Ok(summaries.await?)
}

pub(super) async fn cursor(database: &Database, flow: &str) -> Result<Option<String>> {
    let flow = flow.to_owned();
    let sql = "SELECT value FROM cursors WHERE flow = ?1";
    Ok(database
        .read(move |connection| {
            connection
                .query_row(sql, [flow], |row| row.get(0))
                .optional()
        })
        .await?)
}

pub(super) async fn set_cursor(database: &Database, flow: &str, value: Option<&str>) -> Result<()> {
    let (flow, value) = (flow.to_owned(), value.map(str::to_owned));
    Ok(database
        .write(move |transaction| put_cursor(transaction, &flow, value.as_deref()))
        .await?)
}

/// Merges what is known of one batch into its run.
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
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO run_batches (run, batch, outcomes) VALUES (?1, ?2, ?3)";
    transaction
        .prepare_cached(sql)?
        .execute((&run, batch, merged))
        .map(drop)
}

/// Does the work unless the lease is somebody else's; it cannot change hands meanwhile.
async fn while_held<Work>(database: &Database, lease: &Lease, work: Work) -> Result<()>
where
    Work: FnOnce(&Transaction<'_>, &Lease) -> rusqlite::Result<()> + Send + 'static,
{
    let fenced = lease.clone();
    let held = database.write(move |transaction| {
        let sql = "SELECT 1 FROM leases WHERE name = ?1 AND token = ?2";
        let held = transaction
            .prepare_cached(sql)?
            .exists((&fenced.name, fenced.token))?;
        if held {
            work(transaction, &fenced)?;
        }
        Ok(held)
    });
    if held.await? {
        Ok(())
    } else {
        Err(Error::LeaseLost(lease.name.clone()))
    }
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

/// Forgets the slots that a batch does not have any more.
fn resize(
    transaction: &Transaction<'_>,
    run: RunId,
    batch: &str,
    size: u32,
) -> rusqlite::Result<()> {
    let sql = "
        UPDATE run_batches SET outcomes = substr(outcomes, 1, ?3) || rtrim(substr(outcomes, ?3 + 1), '.')
        WHERE run = ?1 AND batch = ?2 AND length(outcomes) > ?3";
    transaction
        .prepare_cached(sql)?
        .execute((run.to_string(), batch, size))
        .map(drop)
}

fn put_cursor(
    transaction: &Transaction<'_>,
    flow: &str,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => transaction.execute(
            "INSERT OR REPLACE INTO cursors VALUES (?1, ?2)",
            (flow, value),
        ),
        None => transaction.execute("DELETE FROM cursors WHERE flow = ?1", [flow]),
    }
    .map(drop)
}

fn open_run(row: &Row<'_>) -> rusqlite::Result<(Run, Option<String>)> {
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
        state: RunSummary::state_of(
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
        blocked_by_dead_letters: changes::blocked(connection, id)?,
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
