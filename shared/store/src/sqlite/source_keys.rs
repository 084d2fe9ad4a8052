//! Source keys, in SQLite.

use async_trait::async_trait;
use pomost_models::RunId;
use rusqlite::{Row, Transaction};

use super::SqliteStore;
use crate::{PageProgress, Result, SourceKeyCounts, SourceKeys};

#[async_trait]
impl SourceKeys for SqliteStore {
    async fn missing_keys(
        &self,
        flow: &str,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        let (flow, run, after) = (flow.to_owned(), run.to_string(), after.to_owned());
        // Ids of runs sort by time, so a smaller one is of an earlier run.
        let sql = "
            SELECT key FROM source_keys
            WHERE flow = ?1 AND listed_in < ?2 AND key > ?3 ORDER BY key LIMIT ?4";
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .query_map((flow, run, after, limit), |row| row.get(0))?
                .collect()
        })
        .await
    }

    async fn count_keys(&self, flow: &str, run: RunId) -> Result<SourceKeyCounts> {
        let (flow, run) = (flow.to_owned(), run.to_string());
        let sql =
            "SELECT count(*), coalesce(sum(listed_in < ?2), 0) FROM source_keys WHERE flow = ?1";
        self.read(move |connection| connection.query_row(sql, (flow, run), counts))
            .await
    }
}

/// Records the keys that a page listed, and removes those whose deletion it holds.
pub(super) fn record_page(
    transaction: &Transaction<'_>,
    page: &PageProgress,
) -> rusqlite::Result<()> {
    let run = page.run.to_string();
    let list = "
        INSERT OR REPLACE INTO source_keys (flow, key, listed_in)
        SELECT flow, ?2, id FROM runs WHERE id = ?1";
    let forget =
        "DELETE FROM source_keys WHERE flow = (SELECT flow FROM runs WHERE id = ?1) AND key = ?2";
    let (mut list, mut forget) = (
        transaction.prepare_cached(list)?,
        transaction.prepare_cached(forget)?,
    );
    page.listed_keys
        .iter()
        .try_for_each(|key| list.execute((&run, key)).map(drop))?;
    page.deleted_keys
        .iter()
        .try_for_each(|key| forget.execute((&run, key)).map(drop))
}

fn counts(row: &Row<'_>) -> rusqlite::Result<SourceKeyCounts> {
    Ok(SourceKeyCounts {
        known: row.get::<_, i64>(0)?.unsigned_abs(),
        missing: row.get::<_, i64>(1)?.unsigned_abs(),
    })
}
