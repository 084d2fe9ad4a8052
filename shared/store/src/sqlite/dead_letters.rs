//! Dead letters, kept whole beside the columns they are searched by.

use pomost_models::{DeadLetter, Version};
use pomost_sqlite::Database;
use rusqlite::{Transaction, params};

use super::{changes, runs};
use crate::{DeadLetterFilter, Result, dead_letters};

const INSERT: &str = "
    INSERT INTO dead_letters (id, flow, run, stage, reason, died_at, letter, batch, slot, key, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (id) DO NOTHING";

const LIST: &str = "
    SELECT id, letter FROM dead_letters
    WHERE (?1 IS NULL OR substr(id, 1, length(?1)) = ?1) AND (?8 OR state = 'open')
        AND (?2 IS NULL OR flow = ?2) AND (?3 IS NULL OR stage = ?3)
        AND (?4 IS NULL OR reason = ?4) AND (?5 IS NULL OR run = ?5)
        AND (?9 IS NULL OR replayed_in = ?9)
        AND (?6 IS NULL OR (died_at, id) > (SELECT died_at, id FROM dead_letters WHERE id = ?6))
    ORDER BY died_at, id LIMIT ?7";

const DISCARD: &str = "UPDATE dead_letters SET state = 'discarded' WHERE id = ?1 AND state = 'open'";

const SETTLE: &str = "
    DELETE FROM changes WHERE (flow, key, version) IN (
        SELECT flow, key, version FROM dead_letters WHERE id = ?1 AND state = 'open')";

pub(super) async fn archive(database: &Database, letters: &[DeadLetter]) -> Result<()> {
    let texts = letters.iter().map(dead_letters::to_text).collect::<Result<Vec<_>>>()?;
    let letters = letters.to_owned();
    let archived = database.write(move |transaction| {
        for ((run, batch), outcomes) in dead_letters::slots(&letters) {
            runs::merge_batch(transaction, run, batch, outcomes.mask())?;
        }
        changes::note_dead(transaction, &letters)?;
        letters.iter().zip(texts).try_for_each(|(letter, text)| insert(transaction, letter, text))
    });
    Ok(archived.await?)
}

pub(super) async fn list(database: &Database, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
    let filter = filter.clone();
    let rows = database.read(move |connection| {
        let mut statement = connection.prepare_cached(LIST)?;
        let rows = statement.query_map(
            params![
                filter.id,
                filter.flow,
                filter.stage.map(|stage| stage.as_str()),
                filter.reason.map(|reason| reason.as_str()),
                filter.run.map(|run| run.to_string()),
                filter.after,
                filter.limit,
                filter.closed,
                filter.replayed_in.map(|run| run.to_string()),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
    });
    rows.await?.iter().map(|(id, text)| dead_letters::from_text(id, text)).collect()
}

pub(super) async fn discard(database: &Database, ids: &[String]) -> Result<u64> {
    let ids = ids.to_owned();
    let discarded = database.write(move |transaction| {
        let (mut settle, mut discard) =
            (transaction.prepare_cached(SETTLE)?, transaction.prepare_cached(DISCARD)?);
        let discarded = ids.iter().map(|id| settle.execute([id]).and_then(|_| discard.execute([id])));
        Ok(discarded.sum::<rusqlite::Result<usize>>()? as u64)
    });
    Ok(discarded.await?)
}

fn insert(transaction: &Transaction<'_>, letter: &DeadLetter, text: String) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    let (stage, reason) = (letter.stage.as_str(), letter.reason.as_str());
    let died_at = letter.died_at.as_microsecond();
    let version = letter.version().map(Version::order_key);
    let (slot, key) = letter.record.as_ref().map(|record| (record.slot, &record.key)).unzip();
    let (run, batch) = (letter.run.to_string(), &letter.batch);
    let parameters =
        params![letter.id, letter.flow, run, stage, reason, died_at, text, batch, slot, key, version];
    statement.execute(parameters).map(drop)
}
