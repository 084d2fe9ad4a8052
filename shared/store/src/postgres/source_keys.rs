//! What a source listed.

use std::borrow::Cow;

use pomost_models::{RunId, Version};

use super::{
    connection::Connections,
    text::{restored, stored},
};
use crate::{PageProgress, Result, SourceKey, SourceKeys};

/// The part of a statement that notes the keys a page of the run `$3` listed (`$7`, with the versions
/// `$8`) and forgets those that it deletes (`$9`), while the lease is `held`. Of a key that a page lists
/// twice, the last version stays.
pub(super) const NOTE: &str = "
    of_run AS (SELECT flow FROM runs WHERE id = $3 AND EXISTS (SELECT FROM held)),
    listed AS (
        INSERT INTO source_keys (flow, key, version, listed_in)
        SELECT DISTINCT ON (key) flow, key, version, $3::uuid
        FROM of_run, unnest($7::text[], $8::text[]) WITH ORDINALITY AS listed (key, version, place)
        ORDER BY key, place DESC
        ON CONFLICT (flow, key) DO UPDATE SET version = excluded.version, listed_in = excluded.listed_in
    ), forgotten AS (
        DELETE FROM source_keys USING of_run WHERE source_keys.flow = of_run.flow AND key = ANY ($9::text[])
    )";

type Columns<'p> = (Vec<Cow<'p, str>>, Vec<Cow<'p, str>>, Vec<Cow<'p, str>>);

/// The values of `$7`, `$8` and `$9` of [`NOTE`].
pub(super) fn columns(page: &PageProgress) -> Columns<'_> {
    let keys = page.listed.iter().map(|listed| stored(&listed.key)).collect();
    let versions = page.listed.iter().map(|listed| stored(listed.version.as_stored())).collect();
    (keys, versions, page.forgotten.iter().map(|key| stored(key)).collect())
}

pub(super) async fn missing(
    connections: &Connections,
    flow: &str,
    run: RunId,
    after: &str,
    limit: u32,
) -> Result<Vec<SourceKey>> {
    let sql = "
        SELECT key, version FROM source_keys
        WHERE flow = $1 AND listed_in < $2 AND key > $3 ORDER BY key LIMIT $4";
    let rows = connections.query(sql, &[&flow, &run.0, &stored(after), &i64::from(limit)]).await?;
    let key = |row: &tokio_postgres::Row| SourceKey {
        key: restored(row.get(0)),
        version: Version::new(restored(row.get(1))),
    };
    Ok(rows.iter().map(key).collect())
}

pub(super) async fn count(connections: &Connections, flow: &str, run: RunId) -> Result<SourceKeys> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE listed_in < $2) FROM source_keys WHERE flow = $1";
    let row = connections.query_one(sql, &[&flow, &run.0]).await?;
    let count = |place| row.as_ref().map_or(0, |row| row.get::<_, i64>(place).unsigned_abs());
    Ok(SourceKeys { known: count(0), missing: count(1) })
}

pub(super) async fn has_applied(connections: &Connections, flow: &str) -> Result<bool> {
    let sql = "SELECT FROM ledger WHERE flow = $1 LIMIT 1";
    Ok(connections.query_one(sql, &[&flow]).await?.is_some())
}
