//! Dead letters, in SQLite: kept whole, beside the columns that they are found by.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use pomost_models::{DeadLetter, Record, Version};
use rusqlite::{Transaction, params};

use super::{
    SqliteStore, changes, runs,
    standing_letters::{self, LetterQuery, outdated_letters},
};
use crate::{DeadLetterFilter, DeadLetters, Result, dead_letters};

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn archive_dead_letters(&self, letters: &[DeadLetter]) -> Result<()> {
        let mut letters = letters.to_owned();
        // Older letters come first, so that newer ones of the same call supersede them.
        letters.sort_by_cached_key(|letter| letter.version().map(Version::order_key));
        let texts = letters
            .iter()
            .map(dead_letters::to_text)
            .collect::<Result<Vec<_>>>()?;
        self.write(move |transaction| {
            for ((run, batch), outcomes) in dead_letters::dead_slots(&letters) {
                runs::merge_batch(transaction, run, batch, outcomes.mask())?;
            }
            letters
                .iter()
                .zip(texts)
                .try_for_each(|(letter, text)| archive(transaction, letter, text))
        })
        .await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        let filter = filter.clone();
        let rows = self.read(move |connection| {
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
                    filter.include_closed,
                    filter.replayed_in.map(|run| run.to_string()),
                ],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            rows.collect::<rusqlite::Result<Vec<(String, String, Option<String>)>>>()
        });
        let rows = rows.await?;
        rows.iter()
            .map(|(id, text, version)| dead_letters::from_text(id, text, version.as_deref()))
            .collect()
    }

    async fn supersede_dead_letters(&self, flow: &str, keys: &[&str]) -> Result<u64> {
        let flow = flow.to_owned();
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        // Reading comes first, since there is hardly ever something to write.
        let letters = self.read(move |connection| outdated_letters(connection, &flow, &keys));
        let letters = letters.await?;
        if letters.is_empty() {
            return Ok(0);
        }
        self.write(move |transaction| {
            let superseded = letters.iter().map(|letter| letter.supersede(transaction));
            superseded.sum::<rusqlite::Result<u64>>()
        })
        .await
    }

    async fn discard_dead_letters(&self, ids: &[String]) -> Result<u64> {
        let ids = ids.to_owned();
        self.write(move |transaction| {
            let (mut settle, mut discard) = (
                transaction.prepare_cached(SETTLE_CHANGE)?,
                transaction.prepare_cached(DISCARD)?,
            );
            let discarded = ids
                .iter()
                .map(|id| settle.execute([id]).and_then(|_| discard.execute([id])));
            Ok(discarded.sum::<rusqlite::Result<usize>>()? as u64)
        })
        .await
    }

    async fn count_dead_letters(&self, since: Timestamp) -> Result<BTreeMap<String, u64>> {
        let sql = "
            SELECT flow, count(*) FROM dead_letters WHERE state = 'open' AND died_at >= ?1 GROUP BY flow";
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .query_map([since.as_microsecond()], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
                })?
                .collect()
        })
        .await
    }
}

const INSERT: &str = "
    INSERT INTO dead_letters (id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT (id) DO NOTHING";

const LIST: &str = "
    SELECT id, letter, version FROM dead_letters
    WHERE (?1 IS NULL OR substr(id, 1, length(?1)) = ?1) AND (?8 OR state = 'open')
        AND (?2 IS NULL OR flow = ?2) AND (?3 IS NULL OR stage = ?3)
        AND (?4 IS NULL OR reason = ?4) AND (?5 IS NULL OR run = ?5)
        AND (?9 IS NULL OR replayed_in = ?9)
        AND (?6 IS NULL OR (died_at, id) > (SELECT died_at, id FROM dead_letters WHERE id = ?6))
    ORDER BY died_at, id LIMIT ?7";

const DISCARD: &str = "UPDATE dead_letters SET state = 'discarded', replayed_in = NULL WHERE id = ?1 AND state = 'open'";

/// A letter in doubt stays until an operator resolves it, unless the newer letter is in doubt as
/// well.
const SUPERSEDE_OLDER: &str = "
    UPDATE dead_letters SET state = 'superseded'
    WHERE flow = ?1 AND key = ?2 AND key <> '' AND id <> ?3 AND state IN ('open', 'discarded') AND replayed_in IS NULL
        AND is_older(version, ?4) AND (reason <> 'in_doubt' OR ?5 = 'in_doubt')";

const SETTLE_CHANGE: &str = "
    DELETE FROM changes WHERE (flow, key, version) IN (
        SELECT flow, key, version FROM dead_letters WHERE id = ?1 AND state = 'open')";

/// Archives a letter, unless it or an equal one that stands is archived already. Without a letter
/// its change blocks nothing.
fn archive(
    transaction: &Transaction<'_>,
    letter: &DeadLetter,
    text: String,
) -> rusqlite::Result<()> {
    let is_archived = transaction
        .prepare_cached("SELECT 1 FROM dead_letters WHERE id = ?1")?
        .exists([&letter.id])?;
    if let (false, Some(record)) = (is_archived, &letter.record)
        && let Some(equal) = equal_letter(transaction, letter, record)?
    {
        if letter.newest_alone {
            standing_letters::renew(transaction, &equal, &record.version.order_key())?;
        }
        return changes::settle_one(transaction, &letter.flow, record);
    }
    // A letter that is archived again marks its change again: it may have been registered anew
    // meanwhile.
    if let Some(record) = &letter.record {
        changes::mark_dead(transaction, &letter.flow, record)?;
    }
    if is_archived {
        return Ok(());
    }
    insert(transaction, letter, text)?;
    match &letter.record {
        Some(record) if letter.newest_alone => supersede_older(transaction, letter, record),
        _ => Ok(()),
    }
}

/// Id of the standing letter that this one equals.
fn equal_letter(
    transaction: &Transaction<'_>,
    letter: &DeadLetter,
    record: &Record,
) -> rusqlite::Result<Option<String>> {
    let Some(fingerprint) = letter.fate() else {
        return Ok(None);
    };
    let query = LetterQuery {
        stage: letter.stage,
        only_open: letter.is_told(),
        ..LetterQuery::at_load(&letter.flow, &record.key, fingerprint, None)
    };
    query.find(transaction)
}

fn supersede_older(
    transaction: &Transaction<'_>,
    letter: &DeadLetter,
    record: &Record,
) -> rusqlite::Result<()> {
    let (version, reason) = (record.version.order_key(), letter.reason.as_str());
    transaction
        .prepare_cached(SUPERSEDE_OLDER)?
        .execute((&letter.flow, &record.key, &letter.id, version, reason))
        .map(drop)
}

fn insert(
    transaction: &Transaction<'_>,
    letter: &DeadLetter,
    text: String,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    let (stage, reason) = (letter.stage.as_str(), letter.reason.as_str());
    let died_at = letter.died_at.as_microsecond();
    let version = letter.version().map(Version::order_key);
    let (slot, key) = letter
        .record
        .as_ref()
        .map(|record| (record.slot, &record.key))
        .unzip();
    let (run, batch) = (letter.run.to_string(), &letter.batch);
    let fingerprint = letter.fate().map(|fingerprint| fingerprint.0);
    let parameters = params![
        letter.id,
        letter.flow,
        run,
        stage,
        reason,
        died_at,
        text,
        batch,
        slot,
        key,
        version,
        fingerprint
    ];
    statement.execute(parameters).map(drop)
}
