//! What a source listed.

use pomost_models::RunId;
use pomost_sqlite::Database;
use rusqlite::Transaction;

use crate::{PageProgress, Result, SourceKeyCounts};

/// Notes the keys that a page listed, and forgets those that it deletes.
pub(super) fn note(transaction: &Transaction<'_>, page: &PageProgress) -> rusqlite::Result<()> {
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

pub(super) async fn missing(
    database: &Database,
    flow: &str,
    run: RunId,
    after: &str,
    limit: u32,
) -> Result<Vec<String>> {
    let (flow, run, after) = (flow.to_owned(), run.to_string(), after.to_owned());
    let sql = "
        SELECT key FROM source_keys
        WHERE flow = ?1 AND listed_in < ?2 AND key > ?3 ORDER BY key LIMIT ?4";
    let missing = database.read(move |connection| {
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_map((flow, run, after, limit), |row| row.get(0))?
            .collect()
    });
    Ok(missing.await?)
}

pub(super) async fn count(database: &Database, flow: &str, run: RunId) -> Result<SourceKeyCounts> {
    let (flow, run) = (flow.to_owned(), run.to_string());
    let sql = "SELECT count(*), coalesce(sum(listed_in < ?2), 0) FROM source_keys WHERE flow = ?1";
    let counted = database.read(move |connection| {
        let counts = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        connection.query_row(sql, (flow, run), counts)
    });
    let (known, missing) = counted.await?;
    Ok(SourceKeyCounts {
        known: known.unsigned_abs(),
        missing: missing.unsigned_abs(),
    })
}

pub(super) async fn has_applied(database: &Database, flow: &str) -> Result<bool> {
    let flow = flow.to_owned();
    let sql = "SELECT EXISTS (SELECT 1 FROM ledger WHERE flow = ?1)";
    Ok(database
        .read(move |connection| connection.query_row(sql, [flow], |row| row.get(0)))
        .await?)
}
