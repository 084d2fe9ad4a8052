//! Parked records, in SQLite.

use async_trait::async_trait;
use pomost_models::{Batch, Record, RunId};
use rusqlite::{Connection, Transaction, params};

use super::{SqliteStore, values};
use crate::{ClaimToken, ParkedClaim, ParkedRecords, Result, parked};

#[async_trait]
impl ParkedRecords for SqliteStore {
    async fn park(&self, batch: &Batch) -> Result<()> {
        let messages: Vec<String> = batch
            .records
            .iter()
            .map(|record| parked::to_message(batch, record))
            .collect();
        let batch = batch.bare();
        self.write(move |transaction| {
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
        })
        .await
    }

    async fn claim_parked(
        &self,
        flow: &str,
        keys: Option<&[&str]>,
        claim: ParkedClaim,
    ) -> Result<Vec<Batch>> {
        let flow = flow.to_owned();
        let keys: Vec<Option<String>> = match keys {
            None => vec![None],
            Some(keys) => keys.iter().map(|&key| Some(key.to_owned())).collect(),
        };
        let messages = self.write(move |transaction| {
            let mut statement = transaction.prepare_cached(CLAIM)?;
            let ParkedClaim { token, ttl, limit } = claim;
            let (until, now) = (values::in_future(ttl), values::now());
            let mut messages: Vec<String> = Vec::new();
            // The key `NULL` stands for all keys.
            for key in &keys {
                let parameters = params![flow, token.0.as_bytes(), until, limit, now, key];
                let claimed = statement.query_map(parameters, |row| row.get(0))?;
                messages.extend(claimed.collect::<rusqlite::Result<Vec<String>>>()?);
            }
            Ok(messages)
        });
        messages
            .await?
            .iter()
            .map(|message| parked::from_message(message))
            .collect()
    }

    async fn release_parked(&self, flow: &str, token: ClaimToken) -> Result<()> {
        let flow = flow.to_owned();
        let sql = "UPDATE parked SET taken_by = NULL, taken_until = NULL WHERE flow = ?1 AND taken_by = ?2";
        self.write(move |transaction| {
            transaction
                .execute(sql, (flow, token.0.as_bytes()))
                .map(drop)
        })
        .await
    }

    async fn delete_parked(&self, token: ClaimToken, batches: &[Batch]) -> Result<()> {
        let batches: Vec<Batch> = batches.iter().map(Batch::bare).collect();
        self.write(move |transaction| {
            let mut delete = transaction.prepare_cached(DELETE)?;
            let records = batches
                .iter()
                .flat_map(|batch| batch.records.iter().map(move |record| (batch, record)));
            for (batch, record) in records {
                let Record { slot, version, .. } = record;
                let (run, version) = (batch.run.to_string(), version.order_key());
                delete.execute((run, &batch.id, slot, version, token.0.as_bytes()))?;
            }
            Ok(())
        })
        .await
    }
}

/// A page that is read again may have another record in a slot. Both are kept, since each settles
/// its own change.
const PARK: &str = "
    INSERT OR REPLACE INTO parked (run, batch, slot, flow, key, version, message)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const CLAIM: &str = "
    UPDATE parked SET taken_by = ?2, taken_until = ?3 WHERE (run, batch, slot, version) IN (
        SELECT run, batch, slot, version FROM parked
        WHERE flow = ?1 AND (?6 IS NULL OR key = ?6) AND (taken_until IS NULL OR taken_until <= ?5) AND NOT EXISTS (
            SELECT 1 FROM changes WHERE changes.flow = parked.flow AND changes.key = parked.key
                AND waits_for(parked.version, changes.version))
        ORDER BY key, version LIMIT ?4)
    RETURNING message";

/// A record that was parked again meanwhile, or claimed by another worker, stays.
const DELETE: &str = "DELETE FROM parked WHERE run = ?1 AND batch = ?2 AND slot = ?3 AND version = ?4 AND taken_by = ?5";

/// Counts the parked records of a run that a dead change blocks.
pub(super) fn count_blocked_by_dead_letters(
    connection: &Connection,
    run: RunId,
) -> rusqlite::Result<u64> {
    let sql = "
        SELECT count(*) FROM (SELECT DISTINCT batch, slot FROM parked WHERE run = ?1 AND EXISTS (
            SELECT 1 FROM changes WHERE changes.flow = parked.flow AND changes.key = parked.key AND changes.dead
                AND waits_for(parked.version, changes.version)))";
    let count = connection
        .prepare_cached(sql)?
        .query_row([run.to_string()], |row| row.get::<_, i64>(0))?;
    Ok(count.unsigned_abs())
}

/// Ends every claim on parked records.
pub(super) fn expire_claims(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .execute("UPDATE parked SET taken_until = NULL", [])
        .map(drop)
}
