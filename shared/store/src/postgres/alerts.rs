//! Systems that are down, and what has been announced.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use pomost_models::SlotOutcomes;

use super::{
    connection::Connections,
    text::{restored, stored},
};
use crate::{Alert, Outage, Result};

pub(super) async fn begin_outage(
    connections: &Connections,
    system: &str,
    class: &str,
    reason: &str,
    remembered: Duration,
) -> Result<()> {
    let sql = "
        INSERT INTO outages AS known (system, class, reason) VALUES ($1, $2, $3)
        ON CONFLICT (system) DO UPDATE SET class = excluded.class, reason = excluded.reason, seen_at = excluded.seen_at,
            since = CASE WHEN known.seen_at > clock_timestamp() - make_interval(secs => $4) THEN known.since
                ELSE excluded.since END";
    connections
        .execute(
            sql,
            &[&system, &class, &stored(reason), &remembered.as_secs_f64()],
        )
        .await
        .map(drop)
}

pub(super) async fn end_outage(connections: &Connections, system: &str) -> Result<()> {
    connections
        .execute("DELETE FROM outages WHERE system = $1", &[&system])
        .await
        .map(drop)
}

pub(super) async fn outages(
    connections: &Connections,
    remembered: Duration,
) -> Result<Vec<Outage>> {
    let sql = "
        SELECT system, class, reason, since FROM outages
        WHERE seen_at > clock_timestamp() - make_interval(secs => $1) ORDER BY system";
    let rows = connections.query(sql, &[&remembered.as_secs_f64()]).await?;
    let outage = |row: tokio_postgres::Row| Outage {
        system: row.get(0),
        class: row.get(1),
        reason: restored(row.get(2)),
        since: row.get(3),
    };
    Ok(rows.into_iter().map(outage).collect())
}

pub(super) async fn raise(connections: &Connections, subject: &str, text: &str) -> Result<()> {
    let sql = "INSERT INTO alerts (subject, text) VALUES ($1, $2) ON CONFLICT (subject) DO NOTHING";
    connections
        .execute(sql, &[&subject, &stored(text)])
        .await
        .map(drop)
}

pub(super) async fn clear(connections: &Connections, subject: &str) -> Result<()> {
    connections
        .execute("DELETE FROM alerts WHERE subject = $1", &[&subject])
        .await
        .map(drop)
}

pub(super) async fn alerts(connections: &Connections) -> Result<Vec<Alert>> {
    let rows = connections
        .query(
            "SELECT subject, text, raised_at FROM alerts ORDER BY subject",
            &[],
        )
        .await?;
    let alert = |row: tokio_postgres::Row| Alert {
        subject: row.get(0),
        text: restored(row.get(1)),
        raised_at: row.get(2),
    };
    Ok(rows.into_iter().map(alert).collect())
}

pub(super) async fn count_dead_letters(
    connections: &Connections,
    since: Timestamp,
) -> Result<BTreeMap<String, u64>> {
    let sql = "
        SELECT flow, count(*) FROM dead_letters WHERE state = 'open' AND died_at >= $1 GROUP BY flow";
    let rows = connections.query(sql, &[&since]).await?;
    let count =
        |row: tokio_postgres::Row| (restored(row.get(0)), row.get::<_, i64>(1).unsigned_abs());
    Ok(rows.into_iter().map(count).collect())
}

pub(super) async fn last_success(
    connections: &Connections,
    flow: &str,
) -> Result<Option<Timestamp>> {
    let sql = "
        SELECT requested_at FROM runs
        WHERE flow = $1 AND extracted_at IS NOT NULL AND error IS NULL AND trigger NOT IN ('webhook', 'replay')
            AND NOT EXISTS (SELECT FROM run_batches WHERE run = runs.id AND strpos(outcomes, $2) > 0)
        ORDER BY id DESC LIMIT 1";
    let row = connections
        .query_one(sql, &[&flow, &SlotOutcomes::UNSETTLED.to_string()])
        .await?;
    Ok(row.map(|row| row.get(0)))
}
