//! Source keys, in PostgreSQL.

use std::borrow::Cow;

use async_trait::async_trait;
use pomost_models::RunId;

use super::{
    PostgresStore,
    text::{escaped, unescaped},
};
use crate::{PageProgress, Result, SourceKeyCounts, SourceKeys};

#[async_trait]
impl SourceKeys for PostgresStore {
    async fn missing_keys(
        &self,
        flow: &str,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        let sql = "
            SELECT key FROM source_keys
            WHERE flow = $1 AND listed_in < $2 AND key > $3 ORDER BY key LIMIT $4";
        let rows = self
            .connections
            .query(sql, &[&flow, &run.0, &escaped(after), &i64::from(limit)])
            .await?;
        Ok(rows.iter().map(|row| unescaped(row.get(0))).collect())
    }

    async fn count_keys(&self, flow: &str, run: RunId) -> Result<SourceKeyCounts> {
        let sql = "SELECT count(*), count(*) FILTER (WHERE listed_in < $2) FROM source_keys WHERE flow = $1";
        let row = self.connections.query_one(sql, &[&flow, &run.0]).await?;
        let count = |place| {
            row.as_ref()
                .map_or(0, |row| row.get::<_, i64>(place).unsigned_abs())
        };
        Ok(SourceKeyCounts {
            known: count(0),
            missing: count(1),
        })
    }
}

/// The part of a statement that stores the keys that a page of the run `$3` listed (`$7`) and
/// removes those whose deletion it holds (`$8`), while the lease is `held`.
pub(super) const RECORD_KEYS: &str = "
    of_run AS (SELECT flow FROM runs WHERE id = $3 AND EXISTS (SELECT FROM held)),
    listed AS (
        INSERT INTO source_keys (flow, key, listed_in)
        SELECT DISTINCT flow, key, $3::uuid FROM of_run, unnest($7::text[]) AS listed (key)
        ON CONFLICT (flow, key) DO UPDATE SET listed_in = excluded.listed_in
    ), forgotten AS (
        DELETE FROM source_keys USING of_run WHERE source_keys.flow = of_run.flow AND key = ANY ($8::text[])
    )";

/// The values of `$7` and `$8` of [`RECORD_KEYS`].
pub(super) fn columns<'p>(page: &'p PageProgress) -> (Vec<Cow<'p, str>>, Vec<Cow<'p, str>>) {
    let column = |keys: &'p [String]| keys.iter().map(|key| escaped(key)).collect();
    (column(&page.listed_keys), column(&page.deleted_keys))
}
