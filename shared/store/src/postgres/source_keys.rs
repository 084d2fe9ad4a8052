//! What a source listed.

use std::borrow::Cow;

use pomost_models::RunId;

use super::{
    connection::Connections,
    text::{restored, stored},
};
use crate::{PageProgress, Result, SourceKeyCounts};

/// The part of a statement that notes the keys a page of the run `$3` listed (`$7`) and forgets those that
/// it deletes (`$8`), while the lease is `held`.
pub(super) const NOTE: &str = "
    of_run AS (SELECT flow FROM runs WHERE id = $3 AND EXISTS (SELECT FROM held)),
    listed AS (
        INSERT INTO source_keys (flow, key, listed_in)
        SELECT DISTINCT flow, key, $3::uuid FROM of_run, unnest($7::text[]) AS listed (key)
        ON CONFLICT (flow, key) DO UPDATE SET listed_in = excluded.listed_in
    ), forgotten AS (
        DELETE FROM source_keys USING of_run WHERE source_keys.flow = of_run.flow AND key = ANY ($8::text[])
    )";

/// The values of `$7` and `$8` of [`NOTE`].
pub(super) fn columns<'p>(page: &'p PageProgress) -> (Vec<Cow<'p, str>>, Vec<Cow<'p, str>>) {
    let column = |keys: &'p [String]| keys.iter().map(|key| stored(key)).collect();
    (column(&page.listed_keys), column(&page.deleted_keys))
}

pub(super) async fn missing(
    connections: &Connections,
    flow: &str,
    run: RunId,
    after: &str,
    limit: u32,
) -> Result<Vec<String>> {
    let sql = "
        SELECT key FROM source_keys
        WHERE flow = $1 AND listed_in < $2 AND key > $3 ORDER BY key LIMIT $4";
    let rows = connections
        .query(sql, &[&flow, &run.0, &stored(after), &i64::from(limit)])
        .await?;
    Ok(rows.iter().map(|row| restored(row.get(0))).collect())
}

pub(super) async fn count(
    connections: &Connections,
    flow: &str,
    run: RunId,
) -> Result<SourceKeyCounts> {
    let sql =
        "SELECT count(*), count(*) FILTER (WHERE listed_in < $2) FROM source_keys WHERE flow = $1";
    let row = connections.query_one(sql, &[&flow, &run.0]).await?;
    let count = |place| {
        row.as_ref()
            .map_or(0, |row| row.get::<_, i64>(place).unsigned_abs())
    };
    Ok(SourceKeyCounts {
        known: count(0),
        missing: count(1),
    })
}

pub(super) async fn has_applied(connections: &Connections, flow: &str) -> Result<bool> {
    let sql = "SELECT FROM ledger WHERE flow = $1 LIMIT 1";
    Ok(connections.query_one(sql, &[&flow]).await?.is_some())
}
