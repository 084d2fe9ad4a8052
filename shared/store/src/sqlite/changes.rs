//! The changes of flows that apply every one of them, and the records that wait for earlier ones.

use std::time::Duration;

use pomost_models::{AttemptFingerprint, Batch, Record, RunId};
use pomost_sqlite::Database;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{dead_letters::Standing, values};
use crate::{
    ClaimToken, Result,
    changes::{self, ParkedClaim},
};

/// What was read later than what is noted now stays: whoever read it has succeeded whoever notes this.
const FORGET: &str = "
    DELETE FROM changes
    WHERE run = ?1 AND batch = ?2 AND NOT confirmed AND NOT dead AND NOT was_read_before(?3, version)";

const EXPECT: &str = "
    INSERT INTO changes (flow, key, version, run, batch, expected_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (flow, key, version) DO UPDATE
        SET run = excluded.run, batch = excluded.batch, expected_at = excluded.expected_at, dead = 0";

const SETTLE: &str = "DELETE FROM changes WHERE flow = ?1 AND key = ?2 AND version = ?3";

/// A change that died stays noted as long as its letter is open: its message may come again when the letter is kept.
/// The state is named twice for the index, which holds the letters that are open or discarded.
const SETTLE_UNLESS_DEAD: &str = "
    DELETE FROM changes WHERE flow = ?1 AND key = ?2 AND version = ?3 AND NOT (dead AND EXISTS (
        SELECT 1 FROM dead_letters AS standing
        WHERE standing.flow = ?1 AND standing.key = ?2 AND standing.version = ?3 AND standing.state = 'open'
            AND standing.state IN ('open', 'discarded') AND standing.replayed_in IS NULL))";

const EARLIER: &str =
    "SELECT 1 FROM changes WHERE flow = ?1 AND key = ?2 AND waits_for(?3, version)";

/// A page that is read again has another record in each slot, and each settles the change that was noted of it.
const PARK: &str = "
    INSERT OR REPLACE INTO parked (run, batch, slot, flow, key, version, message)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const TAKE: &str = "
    UPDATE parked SET taken_by = ?2, taken_until = ?3 WHERE (run, batch, slot, version) IN (
        SELECT run, batch, slot, version FROM parked
        WHERE flow = ?1 AND (?6 IS NULL OR key = ?6) AND (taken_until IS NULL OR taken_until <= ?5) AND NOT EXISTS (
            SELECT 1 FROM changes WHERE changes.flow = parked.flow AND changes.key = parked.key
                AND waits_for(parked.version, changes.version))
        ORDER BY key, version LIMIT ?4)
    RETURNING message";

/// What was parked again meanwhile, or taken by somebody else, stays.
const UNPARK: &str = "DELETE FROM parked WHERE run = ?1 AND batch = ?2 AND slot = ?3 AND version = ?4 AND taken_by = ?5";

const OLDER: &str = "
    SELECT older.id, older.run, older.batch, older.slot, older.state = 'open' FROM dead_letters AS older
    JOIN ledger AS known ON known.flow = older.flow AND known.key = older.key
    WHERE older.flow = ?1 AND older.key = ?2 AND older.state IN ('open', 'discarded') AND older.replayed_in IS NULL
        AND is_older(older.version, known.version)";

pub(super) async fn expect(database: &Database, batches: &[&Batch]) -> Result<()> {
    let batches: Vec<Batch> = batches.iter().map(|batch| batch.without_data()).collect();
    let expected = database.write(move |transaction| {
        batches
            .iter()
            .try_for_each(|batch| forget_batch(transaction, batch))?;
        batches
            .iter()
            .try_for_each(|batch| expect_batch(transaction, batch))
    });
    Ok(expected.await?)
}

pub(super) async fn confirm(database: &Database, batches: &[&Batch]) -> Result<()> {
    let batches: Vec<Batch> = batches.iter().map(|batch| batch.without_data()).collect();
    let confirmed = database.write(move |transaction| {
        let sql = "UPDATE changes SET confirmed = 1 WHERE flow = ?1 AND key = ?2 AND version = ?3";
        batches
            .iter()
            .try_for_each(|batch| for_each_change(transaction, sql, batch))
    });
    Ok(confirmed.await?)
}

pub(super) async fn give_up(database: &Database, flow: &str, patience: Duration) -> Result<()> {
    let flow = flow.to_owned();
    let before = values::before(patience);
    let given_up = database.write(move |transaction| {
        let sql = "DELETE FROM changes WHERE flow = ?1 AND NOT confirmed AND NOT dead AND expected_at <= ?2";
        transaction.prepare_cached(sql)?.execute((flow, before)).map(drop)
    });
    Ok(given_up.await?)
}

pub(super) async fn forget(database: &Database, flow: &str) -> Result<()> {
    let flow = flow.to_owned();
    let sql = "DELETE FROM changes WHERE flow = ?1";
    Ok(database
        .write(move |transaction| transaction.execute(sql, [flow]).map(drop))
        .await?)
}

pub(super) async fn behind(
    database: &Database,
    batch: &Batch,
    fates: &[Option<AttemptFingerprint>],
) -> Result<Vec<bool>> {
    let (batch, fates) = (batch.without_data(), fates.to_owned());
    let behind = database.read(move |connection| {
        let mut earlier = connection.prepare_cached(EARLIER)?;
        let behind = |(record, fate): (&Record, &Option<AttemptFingerprint>)| {
            let is_behind =
                earlier.exists((&batch.flow, &record.key, record.version.order_key()))?;
            Ok(is_behind && !is_dead(connection, &batch.flow, &record.key, *fate)?)
        };
        batch.records.iter().zip(&fates).map(behind).collect()
    });
    Ok(behind.await?)
}

pub(super) async fn settle(database: &Database, batch: &Batch) -> Result<()> {
    let batch = batch.without_data();
    let settled =
        database.write(move |transaction| for_each_change(transaction, SETTLE_UNLESS_DEAD, &batch));
    Ok(settled.await?)
}

pub(super) async fn park(database: &Database, batch: &Batch) -> Result<()> {
    let messages: Vec<String> = batch
        .records
        .iter()
        .map(|record| changes::message(batch, record))
        .collect();
    let batch = batch.without_data();
    let parked = database.write(move |transaction| {
        let mut park = transaction.prepare_cached(PARK)?;
        let run = batch.run.to_string();
        batch
            .records
            .iter()
            .zip(messages)
            .try_for_each(|(record, message)| {
                let Record {
                    slot, key, version, ..
                } = record;
                let parameters = params![
                    run,
                    batch.id,
                    slot,
                    batch.flow,
                    key,
                    version.order_key(),
                    message
                ];
                park.execute(parameters).map(drop)
            })
    });
    Ok(parked.await?)
}

pub(super) async fn take(
    database: &Database,
    flow: &str,
    keys: Option<&[&str]>,
    taking: ParkedClaim,
) -> Result<Vec<Batch>> {
    let flow = flow.to_owned();
    let keys: Vec<Option<String>> = match keys {
        None => vec![None],
        Some(keys) => keys.iter().map(|&key| Some(key.to_owned())).collect(),
    };
    let taken = database.write(move |transaction| {
        let mut take = transaction.prepare_cached(TAKE)?;
        let (taker, until, now) = (taking.token.0, values::in_future(taking.ttl), values::now());
        let mut messages: Vec<String> = Vec::new();
        for key in &keys {
            let parameters = params![flow, taker.as_bytes(), until, taking.limit, now, key];
            let of_key = take.query_map(parameters, |row| row.get(0))?;
            messages.extend(of_key.collect::<rusqlite::Result<Vec<String>>>()?);
        }
        Ok(messages)
    });
    taken
        .await?
        .iter()
        .map(|message| changes::from_message(message))
        .collect()
}

pub(super) async fn give_back(database: &Database, flow: &str, taker: ClaimToken) -> Result<()> {
    let flow = flow.to_owned();
    let sql =
        "UPDATE parked SET taken_by = NULL, taken_until = NULL WHERE flow = ?1 AND taken_by = ?2";
    let given_back = database.write(move |transaction| {
        transaction
            .execute(sql, (flow, taker.0.as_bytes()))
            .map(drop)
    });
    Ok(given_back.await?)
}

pub(super) async fn unpark(
    database: &Database,
    taker: ClaimToken,
    batches: &[Batch],
) -> Result<()> {
    let batches: Vec<Batch> = batches.iter().map(Batch::without_data).collect();
    let unparked = database.write(move |transaction| {
        let mut unpark = transaction.prepare_cached(UNPARK)?;
        let records = batches
            .iter()
            .flat_map(|batch| batch.records.iter().map(move |record| (batch, record)));
        for (batch, record) in records {
            let Record { slot, version, .. } = record;
            let of = (
                batch.run.to_string(),
                &batch.id,
                slot,
                version.order_key(),
                taker.0.as_bytes(),
            );
            unpark.execute(of)?;
        }
        Ok(())
    });
    Ok(unparked.await?)
}

/// Looks first: hardly ever is there anything to write.
pub(super) async fn supersede(database: &Database, flow: &str, keys: &[&str]) -> Result<u64> {
    let (flow, keys) = (
        flow.to_owned(),
        keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>(),
    );
    let letters = database.read(move |connection| {
        let mut older = connection.prepare_cached(OLDER)?;
        let letters = keys
            .iter()
            .map(|key| older.query_map((&flow, key), Letter::from_row)?.collect());
        letters.collect::<rusqlite::Result<Vec<Vec<Letter>>>>()
    });
    let letters = letters.await?.concat();
    if letters.is_empty() {
        return Ok(0);
    }
    let closed = database.write(move |transaction| {
        letters
            .iter()
            .map(|letter| letter.supersede(transaction))
            .sum::<rusqlite::Result<u64>>()
    });
    Ok(closed.await?)
}

/// Notes that a change that died is waited for until somebody replays or discards it.
pub(super) fn note_dead(
    transaction: &Transaction<'_>,
    flow: &str,
    record: &Record,
) -> rusqlite::Result<()> {
    let sql = "UPDATE changes SET dead = 1 WHERE flow = ?1 AND key = ?2 AND version = ?3";
    let change = (flow, &record.key, record.version.order_key());
    transaction.prepare_cached(sql)?.execute(change).map(drop)
}

/// Notes that nobody waits for a change any more.
pub(super) fn settle_one(
    transaction: &Transaction<'_>,
    flow: &str,
    record: &Record,
) -> rusqlite::Result<()> {
    let change = (flow, &record.key, record.version.order_key());
    transaction
        .prepare_cached(SETTLE)?
        .execute(change)
        .map(drop)
}

/// How many records of a run wait for a dead letter.
pub(super) fn blocked(connection: &Connection, run: RunId) -> rusqlite::Result<u64> {
    let sql = "
        SELECT count(*) FROM (SELECT DISTINCT batch, slot FROM parked WHERE run = ?1 AND EXISTS (
            SELECT 1 FROM changes WHERE changes.flow = parked.flow AND changes.key = parked.key AND changes.dead
                AND waits_for(parked.version, changes.version)))";
    let count = connection
        .prepare_cached(sql)?
        .query_row([run.to_string()], |row| row.get::<_, i64>(0))?;
    Ok(count.unsigned_abs())
}

/// Whether a record is dead, as a claim of it would find.
fn is_dead(
    connection: &Connection,
    flow: &str,
    key: &str,
    fate: Option<AttemptFingerprint>,
) -> rusqlite::Result<bool> {
    let Some(fate) = fate else { return Ok(false) };
    let mut known =
        connection.prepare_cached("SELECT version FROM ledger WHERE flow = ?1 AND key = ?2")?;
    let applied: Option<Option<String>> =
        known.query_row((flow, key), |row| row.get(0)).optional()?;
    let applied = applied.flatten();
    Ok(Standing::at_load(flow, key, fate, applied.as_deref())
        .letter(connection)?
        .is_some())
}

/// Executes a statement on the flow, the key and the version of each record of a batch.
fn for_each_change(
    transaction: &Transaction<'_>,
    sql: &str,
    batch: &Batch,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(sql)?;
    let execute = |record: &Record| {
        statement
            .execute((&batch.flow, &record.key, record.version.order_key()))
            .map(drop)
    };
    batch.records.iter().try_for_each(execute)
}

fn forget_batch(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let Some(last) = batch.records.last() else {
        return Ok(());
    };
    let parameters = (batch.run.to_string(), &batch.id, last.version.order_key());
    transaction
        .prepare_cached(FORGET)?
        .execute(parameters)
        .map(drop)
}

fn expect_batch(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let mut expect = transaction.prepare_cached(EXPECT)?;
    let (run, now) = (batch.run.to_string(), values::now());
    batch
        .records
        .iter()
        .try_for_each(|Record { key, version, .. }| {
            expect
                .execute((&batch.flow, key, version.order_key(), &run, &batch.id, now))
                .map(drop)
        })
}

/// Which record a dead letter is of.
#[derive(Clone)]
struct Letter {
    id: String,
    run: String,
    batch: String,
    slot: u32,
    is_open: bool,
}

impl Letter {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Letter> {
        Ok(Letter {
            id: row.get(0)?,
            run: row.get(1)?,
            batch: row.get(2)?,
            slot: row.get(3)?,
            is_open: row.get(4)?,
        })
    }

    /// Closes the letter, unless somebody else did, and nobody waits for it. Its slot was dead, and is stale where
    /// the letter was open.
    fn supersede(&self, transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
        let close = "
            UPDATE dead_letters SET state = 'superseded'
            WHERE id = ?1 AND state = CASE WHEN ?2 THEN 'open' ELSE 'discarded' END AND replayed_in IS NULL";
        let settle = "
            UPDATE run_batches SET outcomes = substr(outcomes, 1, ?3) || 's' || substr(outcomes, ?3 + 2)
            WHERE run = ?1 AND batch = ?2 AND substr(outcomes, ?3 + 1, 1) = 'x'";
        let closed = transaction
            .prepare_cached(close)?
            .execute((&self.id, self.is_open))?;
        let outdated = "
            DELETE FROM changes WHERE (flow, key, version) IN (
                SELECT flow, key, version FROM dead_letters WHERE id = ?1)";
        if closed > 0 {
            transaction.prepare_cached(outdated)?.execute([&self.id])?;
        }
        if closed > 0 && self.is_open {
            transaction
                .prepare_cached(settle)?
                .execute((&self.run, &self.batch, self.slot))?;
        }
        Ok(closed as u64)
    }
}
