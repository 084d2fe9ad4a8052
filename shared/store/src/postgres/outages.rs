//! Outages, in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    PostgresStore,
    text::{escaped, unescaped},
};
use crate::{Outage, Outages, Result};

#[async_trait]
impl Outages for PostgresStore {
    async fn begin_outage(
        &self,
        system: &str,
        class: &str,
        reason: &str,
        forgotten_after: Duration,
    ) -> Result<()> {
        let sql = "
            INSERT INTO outages AS known (system, class, reason) VALUES ($1, $2, $3)
            ON CONFLICT (system) DO UPDATE SET class = excluded.class, reason = excluded.reason, seen_at = excluded.seen_at,
                since = CASE WHEN known.seen_at > clock_timestamp() - make_interval(secs => $4) THEN known.since
                    ELSE excluded.since END";
        self.connections
            .execute(
                sql,
                &[
                    &system,
                    &class,
                    &escaped(reason),
                    &forgotten_after.as_secs_f64(),
                ],
            )
            .await
            .map(drop)
    }

    async fn end_outage(&self, system: &str) -> Result<()> {
        self.connections
            .execute("DELETE FROM outages WHERE system = $1", &[&system])
            .await
            .map(drop)
    }

    async fn outages(&self, forgotten_after: Duration) -> Result<Vec<Outage>> {
        let sql = "
            SELECT system, class, reason, since FROM outages
            WHERE seen_at > clock_timestamp() - make_interval(secs => $1) ORDER BY system";
        let rows = self
            .connections
            .query(sql, &[&forgotten_after.as_secs_f64()])
            .await?;
        let outage = |row: tokio_postgres::Row| Outage {
            system: row.get(0),
            class: row.get(1),
            reason: unescaped(row.get(2)),
            since: row.get(3),
        };
        Ok(rows.into_iter().map(outage).collect())
    }
}
