//! Standing letters, in SQLite: finding, renewing and superseding them.
//!
//! A letter stands while it is open and in no replay, and after it was discarded.

use std::sync::LazyLock;

use pomost_models::{AttemptFingerprint, Outcome, Stage};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

/// A search for the standing letter of a record.
pub(super) struct LetterQuery<'a> {
    pub(super) flow: &'a str,
    pub(super) key: &'a str,
    pub(super) fingerprint: AttemptFingerprint,
    pub(super) stage: Stage,
    /// Order key of the version that was applied for the key. Letters of older versions are
    /// outdated.
    pub(super) applied: Option<&'a str>,
    /// Leaves discarded letters out. A record that a webhook received again is news, also where the
    /// letter of the first was discarded.
    pub(super) only_open: bool,
}

impl<'a> LetterQuery<'a> {
    /// The letter of a record that is to be loaded.
    pub(super) fn at_load(
        flow: &'a str,
        key: &'a str,
        fingerprint: AttemptFingerprint,
        applied: Option<&'a str>,
    ) -> LetterQuery<'a> {
        LetterQuery {
            flow,
            key,
            fingerprint,
            stage: Stage::Load,
            applied,
            only_open: false,
        }
    }

    /// The id of the letter, where there is one.
    pub(super) fn find(self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let sql = "
            SELECT id FROM dead_letters
            WHERE flow = ?1 AND key = ?2 AND fate = ?3 AND state IN ('open', 'discarded') AND replayed_in IS NULL
                AND stage = ?4 AND NOT is_older(version, ?5) AND (state = 'open' OR NOT ?6)";
        let LetterQuery {
            flow,
            key,
            fingerprint,
            stage,
            applied,
            only_open,
        } = self;
        let parameters = (flow, key, fingerprint.0, stage.as_str(), applied, only_open);
        connection
            .prepare_cached(sql)?
            .query_row(parameters, |row| row.get(0))
            .optional()
    }
}

/// Gives a letter the newer version with which its record was read again.
pub(super) fn renew(
    transaction: &Transaction<'_>,
    id: &str,
    version: &str,
) -> rusqlite::Result<()> {
    let sql = "UPDATE dead_letters SET version = ?2 WHERE id = ?1 AND is_older(version, ?2)";
    transaction
        .prepare_cached(sql)?
        .execute((id, version))
        .map(drop)
}

/// The standing letters of these keys that are older than the version that was applied.
pub(super) fn outdated_letters(
    connection: &Connection,
    flow: &str,
    keys: &[String],
) -> rusqlite::Result<Vec<OutdatedLetter>> {
    let sql = "
        SELECT older.id, older.run, older.batch, older.slot, older.state = 'open' FROM dead_letters AS older
        JOIN ledger AS known ON known.flow = older.flow AND known.key = older.key
        WHERE older.flow = ?1 AND older.key = ?2 AND older.state IN ('open', 'discarded') AND older.replayed_in IS NULL
            AND is_older(older.version, known.version)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut letters = Vec::new();
    for key in keys {
        for letter in statement.query_map((flow, key), OutdatedLetter::from_row)? {
            letters.push(letter?);
        }
    }
    Ok(letters)
}

/// A letter, and the slot of its record.
pub(super) struct OutdatedLetter {
    id: String,
    run: String,
    batch: String,
    slot: u32,
    is_open: bool,
}

impl OutdatedLetter {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<OutdatedLetter> {
        Ok(OutdatedLetter {
            id: row.get(0)?,
            run: row.get(1)?,
            batch: row.get(2)?,
            slot: row.get(3)?,
            is_open: row.get(4)?,
        })
    }

    /// Closes the letter, unless that was done meanwhile, and removes its change. The dead slot of
    /// an open letter becomes stale. Returns the number of letters that were closed.
    pub(super) fn supersede(&self, transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
        let close = "
            UPDATE dead_letters SET state = 'superseded'
            WHERE id = ?1 AND state = CASE WHEN ?2 THEN 'open' ELSE 'discarded' END AND replayed_in IS NULL";
        let closed = transaction
            .prepare_cached(close)?
            .execute((&self.id, self.is_open))?;
        if closed == 0 {
            return Ok(0);
        }
        let settle_change = "
            DELETE FROM changes WHERE (flow, key, version) IN (
                SELECT flow, key, version FROM dead_letters WHERE id = ?1)";
        transaction
            .prepare_cached(settle_change)?
            .execute([&self.id])?;
        if self.is_open {
            transaction
                .prepare_cached(&STALE_INSTEAD_OF_DEAD)?
                .execute((&self.run, &self.batch, self.slot))?;
        }
        Ok(closed as u64)
    }
}

static STALE_INSTEAD_OF_DEAD: LazyLock<String> = LazyLock::new(|| {
    let (stale, dead) = (Outcome::Stale.letter(), Outcome::Dead.letter());
    format!(
        "UPDATE run_batches SET outcomes = substr(outcomes, 1, ?3) || '{stale}' || substr(outcomes, ?3 + 2)
        WHERE run = ?1 AND batch = ?2 AND substr(outcomes, ?3 + 1, 1) = '{dead}'"
    )
});
