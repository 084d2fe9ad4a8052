//! Dead letters, kept whole beside the columns they are searched by.

use pomost_models::{AttemptFingerprint, DeadLetter, Record, Stage, Version};
use pomost_sqlite::Database;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{changes, runs};
use crate::{DeadLetterFilter, Result, dead_letters};

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

/// Where a newer version was applied than the letter's, it is outdated. What is told is news, also where the letter of
/// the same was discarded.
const STANDING: &str = "
    SELECT id FROM dead_letters
    WHERE flow = ?1 AND key = ?2 AND fate = ?3 AND state IN ('open', 'discarded') AND replayed_in IS NULL
        AND stage = ?4 AND NOT is_older(version, ?5) AND (state = 'open' OR NOT ?6)";

const RENEW: &str = "UPDATE dead_letters SET version = ?2 WHERE id = ?1 AND is_older(version, ?2)";

/// A doubt stays one until it is resolved, unless the newer one is in doubt as well.
const OUTDATE: &str = "
    UPDATE dead_letters SET state = 'superseded'
    WHERE flow = ?1 AND key = ?2 AND key <> '' AND id <> ?3 AND state IN ('open', 'discarded') AND replayed_in IS NULL
        AND is_older(version, ?4) AND (reason <> 'in_doubt' OR ?5 = 'in_doubt')";

const SETTLE: &str = "
    DELETE FROM changes WHERE (flow, key, version) IN (
        SELECT flow, key, version FROM dead_letters WHERE id = ?1 AND state = 'open')";

/// The older ones first, so that newer ones that come with them outdate them.
pub(super) async fn archive(database: &Database, letters: &[DeadLetter]) -> Result<()> {
    let mut letters = letters.to_owned();
    letters.sort_by_cached_key(|letter| letter.version().map(Version::order_key));
    let texts = letters
        .iter()
        .map(dead_letters::to_text)
        .collect::<Result<Vec<_>>>()?;
    let archived = database.write(move |transaction| {
        for ((run, batch), outcomes) in dead_letters::slots(&letters) {
            runs::merge_batch(transaction, run, batch, outcomes.mask())?;
        }
        letters
            .iter()
            .zip(texts)
            .try_for_each(|(letter, text)| keep(transaction, letter, text))
    });
    Ok(archived.await?)
}

pub(super) async fn list(
    database: &Database,
    filter: &DeadLetterFilter,
) -> Result<Vec<DeadLetter>> {
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

pub(super) async fn discard(database: &Database, ids: &[String]) -> Result<u64> {
    let ids = ids.to_owned();
    let discarded = database.write(move |transaction| {
        let (mut settle, mut discard) = (
            transaction.prepare_cached(SETTLE)?,
            transaction.prepare_cached(DISCARD)?,
        );
        let discarded = ids
            .iter()
            .map(|id| settle.execute([id]).and_then(|_| discard.execute([id])));
        Ok(discarded.sum::<rusqlite::Result<usize>>()? as u64)
    });
    Ok(discarded.await?)
}

/// Which letter stands of a record.
pub(super) struct Standing<'a> {
    pub(super) flow: &'a str,
    pub(super) key: &'a str,
    pub(super) fate: AttemptFingerprint,
    pub(super) stage: Stage,
    /// What was applied of the key: older letters do not stand any more.
    pub(super) applied: Option<&'a str>,
    pub(super) is_told: bool,
}

impl<'a> Standing<'a> {
    /// Of a record that comes to be loaded.
    pub(super) fn at_load(
        flow: &'a str,
        key: &'a str,
        fate: AttemptFingerprint,
        applied: Option<&'a str>,
    ) -> Standing<'a> {
        Standing {
            flow,
            key,
            fate,
            stage: Stage::Load,
            applied,
            is_told: false,
        }
    }

    /// The id of the letter, if one stands.
    pub(super) fn letter(self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let Standing {
            flow,
            key,
            fate,
            stage,
            applied,
            is_told,
        } = self;
        let parameters = (flow, key, fate.0, stage.as_str(), applied, is_told);
        connection
            .prepare_cached(STANDING)?
            .query_row(parameters, |row| row.get(0))
            .optional()
    }
}

/// Makes a letter as new as its record that was read again.
pub(super) fn renew(
    transaction: &Transaction<'_>,
    id: &str,
    version: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(RENEW)?
        .execute((id, version))
        .map(drop)
}

/// Keeps a letter, unless it or one of equal fate is kept. Nobody waits for its change then but for the other's.
fn keep(transaction: &Transaction<'_>, letter: &DeadLetter, text: String) -> rusqlite::Result<()> {
    let is_kept = transaction
        .prepare_cached("SELECT 1 FROM dead_letters WHERE id = ?1")?
        .exists([&letter.id])?;
    if let (false, Some(record)) = (is_kept, &letter.record)
        && let Some(equal) = of_equal_fate(transaction, letter, record)?
    {
        if letter.latest_only {
            renew(transaction, &equal, &record.version.order_key())?;
        }
        return changes::settle_one(transaction, &letter.flow, record);
    }
    if let Some(record) = &letter.record {
        changes::note_dead(transaction, &letter.flow, record)?;
    }
    if is_kept {
        return Ok(());
    }
    insert(transaction, letter, text)?;
    match &letter.record {
        Some(Record { key, version, .. }) if letter.latest_only => {
            let newer = (
                &letter.flow,
                key,
                &letter.id,
                version.order_key(),
                letter.reason.as_str(),
            );
            transaction
                .prepare_cached(OUTDATE)?
                .execute(newer)
                .map(drop)
        }
        _ => Ok(()),
    }
}

fn of_equal_fate(
    transaction: &Transaction<'_>,
    letter: &DeadLetter,
    record: &Record,
) -> rusqlite::Result<Option<String>> {
    let Some(fate) = letter.fingerprint() else {
        return Ok(None);
    };
    let of_load = Standing::at_load(&letter.flow, &record.key, fate, None);
    Standing {
        stage: letter.stage,
        is_told: letter.awaits_fetch(),
        ..of_load
    }
    .letter(transaction)
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
    let fate = letter.fingerprint().map(|fate| fate.0);
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
        fate
    ];
    statement.execute(parameters).map(drop)
}
