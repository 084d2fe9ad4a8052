//! Changes that have not settled, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use pomost_models::{AttemptFingerprint, Batch, Record};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{SqliteStore, standing_letters::LetterQuery, values};
use crate::{Changes, Result};

#[async_trait]
impl Changes for SqliteStore {
    async fn expect_changes(&self, batches: &[&Batch]) -> Result<()> {
        let batches: Vec<Batch> = batches.iter().map(|batch| batch.bare()).collect();
        self.write(move |transaction| {
            batches
                .iter()
                .try_for_each(|batch| forget_batch(transaction, batch))?;
            batches
                .iter()
                .try_for_each(|batch| expect_batch(transaction, batch))
        })
        .await
    }

    async fn confirm_changes(&self, batches: &[&Batch]) -> Result<()> {
        let batches: Vec<Batch> = batches.iter().map(|batch| batch.bare()).collect();
        self.write(move |transaction| {
            let sql =
                "UPDATE changes SET confirmed = 1 WHERE flow = ?1 AND key = ?2 AND version = ?3";
            batches
                .iter()
                .try_for_each(|batch| for_each_change(transaction, sql, batch))
        })
        .await
    }

    async fn forget_unconfirmed_changes(&self, flow: &str, age: Duration) -> Result<()> {
        let flow = flow.to_owned();
        let before = values::before(age);
        self.write(move |transaction| {
            let sql = "DELETE FROM changes WHERE flow = ?1 AND NOT confirmed AND NOT dead AND expected_at <= ?2";
            transaction.prepare_cached(sql)?.execute((flow, before)).map(drop)
        })
        .await
    }

    async fn forget_changes(&self, flow: &str) -> Result<()> {
        let flow = flow.to_owned();
        let sql = "DELETE FROM changes WHERE flow = ?1";
        self.write(move |transaction| transaction.execute(sql, [flow]).map(drop))
            .await
    }

    async fn are_blocked(
        &self,
        batch: &Batch,
        fingerprints: &[Option<AttemptFingerprint>],
    ) -> Result<Vec<bool>> {
        let (batch, fingerprints) = (batch.bare(), fingerprints.to_owned());
        self.read(move |connection| {
            let mut earlier = connection.prepare_cached(EARLIER)?;
            let is_blocked = |(record, fingerprint): (&Record, &Option<AttemptFingerprint>)| {
                let change = (&batch.flow, &record.key, record.version.order_key());
                Ok(earlier.exists(change)?
                    && !is_dead(connection, &batch.flow, &record.key, *fingerprint)?)
            };
            let records = batch.records.iter().zip(&fingerprints);
            records.map(is_blocked).collect()
        })
        .await
    }

    async fn settle_changes(&self, batch: &Batch) -> Result<()> {
        let batch = batch.bare();
        self.write(move |transaction| for_each_change(transaction, SETTLE_UNLESS_DEAD, &batch))
            .await
    }
}

/// Changes that were read later than the batch's stay: the process that read them has succeeded the
/// one that registers this batch.
const FORGET_BATCH: &str = "
    DELETE FROM changes
    WHERE run = ?1 AND batch = ?2 AND NOT confirmed AND NOT dead AND NOT was_read_before(?3, version)";

const EXPECT: &str = "
    INSERT INTO changes (flow, key, version, run, batch, expected_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (flow, key, version) DO UPDATE
        SET run = excluded.run, batch = excluded.batch, expected_at = excluded.expected_at, dead = 0";

const SETTLE: &str = "DELETE FROM changes WHERE flow = ?1 AND key = ?2 AND version = ?3";

/// A dead change stays while its letter is open: its message may be redelivered after the letter
/// was archived. The state is named twice so that SQLite uses the index, which has the open and the
/// discarded letters.
const SETTLE_UNLESS_DEAD: &str = "
    DELETE FROM changes WHERE flow = ?1 AND key = ?2 AND version = ?3 AND NOT (dead AND EXISTS (
        SELECT 1 FROM dead_letters AS standing
        WHERE standing.flow = ?1 AND standing.key = ?2 AND standing.version = ?3 AND standing.state = 'open'
            AND standing.state IN ('open', 'discarded') AND standing.replayed_in IS NULL))";

const EARLIER: &str =
    "SELECT 1 FROM changes WHERE flow = ?1 AND key = ?2 AND waits_for(?3, version)";

/// Marks a change as dead: it blocks later ones until its letter is replayed or discarded.
pub(super) fn mark_dead(
    transaction: &Transaction<'_>,
    flow: &str,
    record: &Record,
) -> rusqlite::Result<()> {
    let sql = "UPDATE changes SET dead = 1 WHERE flow = ?1 AND key = ?2 AND version = ?3";
    let change = (flow, &record.key, record.version.order_key());
    transaction.prepare_cached(sql)?.execute(change).map(drop)
}

/// Removes a change, so that it blocks nothing any more.
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

/// True where a claim of the record would find it dead.
fn is_dead(
    connection: &Connection,
    flow: &str,
    key: &str,
    fingerprint: Option<AttemptFingerprint>,
) -> rusqlite::Result<bool> {
    let Some(fingerprint) = fingerprint else {
        return Ok(false);
    };
    let applied: Option<Option<String>> = connection
        .prepare_cached("SELECT version FROM ledger WHERE flow = ?1 AND key = ?2")?
        .query_row((flow, key), |row| row.get(0))
        .optional()?;
    let applied = applied.flatten();
    let letter = LetterQuery::at_load(flow, key, fingerprint, applied.as_deref());
    Ok(letter.find(connection)?.is_some())
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
        .prepare_cached(FORGET_BATCH)?
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
