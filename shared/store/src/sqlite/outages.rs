//! Outages, in SQLite.

use std::time::Duration;

use async_trait::async_trait;

use super::{SqliteStore, values};
use crate::{Outage, Outages, Result};

#[async_trait]
impl Outages for SqliteStore {
    async fn begin_outage(
        &self,
        system: &str,
        class: &str,
        reason: &str,
        forgotten_after: Duration,
    ) -> Result<()> {
        let (system, class, reason) = (system.to_owned(), class.to_owned(), reason.to_owned());
        self.write(move |transaction| {
            // An outage that was forgotten does not go on: the new one begins now.
            let forget = "DELETE FROM outages WHERE system = ?1 AND seen_at <= ?2";
            transaction.execute(forget, (&system, values::before(forgotten_after)))?;
            let note = "
                INSERT INTO outages (system, class, reason, since, seen_at) VALUES (?1, ?2, ?3, ?4, ?4)
                ON CONFLICT (system) DO UPDATE
                SET class = excluded.class, reason = excluded.reason, seen_at = excluded.seen_at";
            transaction
                .execute(note, (&system, class, reason, values::now()))
                .map(drop)
        })
        .await
    }

    async fn end_outage(&self, system: &str) -> Result<()> {
        let system = system.to_owned();
        let sql = "DELETE FROM outages WHERE system = ?1";
        self.write(move |transaction| transaction.execute(sql, [system]).map(drop))
            .await
    }

    async fn outages(&self, forgotten_after: Duration) -> Result<Vec<Outage>> {
        self.read(move |connection| {
            let sql =
                "SELECT system, class, reason, since FROM outages WHERE seen_at > ?1 ORDER BY system";
            let mut statement = connection.prepare_cached(sql)?;
            let outages = statement.query_map([values::before(forgotten_after)], |row| {
                let (system, class, reason) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Outage {
                    system,
                    class,
                    reason,
                    since: values::time(3, row.get(3)?)?,
                })
            });
            outages?.collect()
        })
        .await
    }
}
