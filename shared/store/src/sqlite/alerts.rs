//! Systems that are down, and what has been announced.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use pomost_models::SlotOutcomes;
use pomost_sqlite::Database;
use rusqlite::OptionalExtension;

use super::values;
use crate::{Alert, Outage, Result};

pub(super) async fn begin_outage(
    database: &Database,
    system: &str,
    class: &str,
    reason: &str,
    remembered: Duration,
) -> Result<()> {
    let (system, class, reason) = (system.to_owned(), class.to_owned(), reason.to_owned());
    let begun = database.write(move |transaction| {
        let forget = "DELETE FROM outages WHERE system = ?1 AND seen_at <= ?2";
        transaction.execute(forget, (&system, values::before(remembered)))?;
        let note = "
            INSERT INTO outages (system, class, reason, since, seen_at) VALUES (?1, ?2, ?3, ?4, ?4)
            ON CONFLICT (system) DO UPDATE
            SET class = excluded.class, reason = excluded.reason, seen_at = excluded.seen_at";
        transaction
            .execute(note, (&system, class, reason, values::now()))
            .map(drop)
    });
    Ok(begun.await?)
}

pub(super) async fn end_outage(database: &Database, system: &str) -> Result<()> {
    let system = system.to_owned();
    let sql = "DELETE FROM outages WHERE system = ?1";
    Ok(database
        .write(move |transaction| transaction.execute(sql, [system]).map(drop))
        .await?)
}

pub(super) async fn outages(database: &Database, remembered: Duration) -> Result<Vec<Outage>> {
    let outages = database.read(move |connection| {
        let sql =
            "SELECT system, class, reason, since FROM outages WHERE seen_at > ?1 ORDER BY system";
        let mut statement = connection.prepare_cached(sql)?;
        let outages = statement.query_map([values::before(remembered)], |row| {
            let (system, class, reason) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Outage {
                system,
                class,
                reason,
                since: values::time(3, row.get(3)?)?,
            })
        });
        outages?.collect()
    });
    Ok(outages.await?)
}

pub(super) async fn raise(database: &Database, subject: &str, text: &str) -> Result<()> {
    let alert = (subject.to_owned(), text.to_owned(), values::now());
    let sql = "INSERT INTO alerts VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO NOTHING";
    Ok(database
        .write(move |transaction| transaction.execute(sql, alert).map(drop))
        .await?)
}

pub(super) async fn clear(database: &Database, subject: &str) -> Result<()> {
    let subject = subject.to_owned();
    let sql = "DELETE FROM alerts WHERE subject = ?1";
    Ok(database
        .write(move |transaction| transaction.execute(sql, [subject]).map(drop))
        .await?)
}

pub(super) async fn alerts(database: &Database) -> Result<Vec<Alert>> {
    let alerts = database.read(|connection| {
        let sql = "SELECT subject, text, raised_at FROM alerts ORDER BY subject";
        let mut statement = connection.prepare_cached(sql)?;
        let alerts = statement.query_map([], |row| {
            let (subject, text) = (row.get(0)?, row.get(1)?);
            Ok(Alert {
                subject,
                text,
                raised_at: values::time(2, row.get(2)?)?,
            })
        });
        alerts?.collect()
    });
    Ok(alerts.await?)
}

pub(super) async fn count_dead_letters(
    database: &Database,
    since: Timestamp,
) -> Result<BTreeMap<String, u64>> {
    let sql = "
        SELECT flow, count(*) FROM dead_letters WHERE state = 'open' AND died_at >= ?1 GROUP BY flow";
    let counts = database.read(move |connection| {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_map([since.as_microsecond()], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
            })?
            .collect()
    });
    Ok(counts.await?)
}

pub(super) async fn last_success(database: &Database, flow: &str) -> Result<Option<Timestamp>> {
    let flow = flow.to_owned();
    let sql = r#"
        SELECT requested_at FROM runs
        WHERE flow = ?1 AND extracted_at IS NOT NULL AND error IS NULL AND "trigger" NOT IN ('webhook', 'replay')
            AND NOT EXISTS (SELECT 1 FROM run_batches WHERE run = runs.id AND instr(outcomes, ?2) > 0)
        ORDER BY id DESC LIMIT 1"#;
    let success = database.read(move |connection| {
        let waiting = SlotOutcomes::UNSETTLED.to_string();
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_row((flow, waiting), |row| values::time(0, row.get(0)?))
            .optional()
    });
    Ok(success.await?)
}
