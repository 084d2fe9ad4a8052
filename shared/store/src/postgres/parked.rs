//! Parked records, in PostgreSQL.

use std::sync::LazyLock;

use async_trait::async_trait;
use pomost_models::Batch;
use uuid::Uuid;

use super::{PostgresStore, changes::columns, text::escaped};
use crate::{ClaimToken, ParkedClaim, ParkedRecords, Result, parked};

#[async_trait]
impl ParkedRecords for PostgresStore {
    async fn park(&self, batch: &Batch) -> Result<()> {
        let (keys, versions) = columns(&batch.records);
        let slots: Vec<i64> = batch
            .records
            .iter()
            .map(|record| record.slot.into())
            .collect();
        let messages: Vec<String> = batch
            .records
            .iter()
            .map(|record| parked::to_message(batch, record))
            .collect();
        let (run, id) = (batch.run.0, escaped(&batch.id));
        self.connections
            .execute(
                PARK,
                &[&run, &id, &batch.flow, &slots, &keys, &versions, &messages],
            )
            .await
            .map(drop)
    }

    async fn claim_parked(
        &self,
        flow: &str,
        keys: Option<&[&str]>,
        claim: ParkedClaim,
    ) -> Result<Vec<Batch>> {
        let ParkedClaim { token, ttl, limit } = claim;
        let (token, seconds, limit) = (token.0, ttl.as_secs_f64(), i64::from(limit));
        let rows = match keys {
            None => {
                self.connections
                    .query(&CLAIM_OF_ALL, &[&flow, &token, &seconds, &limit])
                    .await?
            }
            Some(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| escaped(key)).collect();
                self.connections
                    .query(&CLAIM_OF_KEYS, &[&flow, &token, &seconds, &limit, &keys])
                    .await?
            }
        };
        rows.iter()
            .map(|row| parked::from_message(row.get(0)))
            .collect()
    }

    async fn release_parked(&self, flow: &str, token: ClaimToken) -> Result<()> {
        let sql = "UPDATE parked SET taken_by = NULL, taken_until = NULL WHERE flow = $1 AND taken_by = $2";
        self.connections
            .execute(sql, &[&flow, &token.0])
            .await
            .map(drop)
    }

    async fn delete_parked(&self, token: ClaimToken, batches: &[Batch]) -> Result<()> {
        let records = || {
            batches
                .iter()
                .flat_map(|batch| batch.records.iter().map(move |record| (batch, record)))
        };
        let runs: Vec<Uuid> = records().map(|(batch, _)| batch.run.0).collect();
        let ids: Vec<_> = records().map(|(batch, _)| escaped(&batch.id)).collect();
        let slots: Vec<i64> = records().map(|(_, record)| record.slot.into()).collect();
        let (_, versions) = columns(records().map(|(_, record)| record));
        self.connections
            .execute(DELETE, &[&token.0, &runs, &ids, &slots, &versions])
            .await
            .map(drop)
    }
}

/// A page that is read again may have another record in a slot. Both are kept, since each settles
/// its own change.
const PARK: &str = "
    INSERT INTO parked (run, batch, slot, flow, key, version, message)
    SELECT $1, $2, slot, $3, key, version, message
    FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[]) AS parked (slot, key, version, message)
    ON CONFLICT (run, batch, slot, version) DO UPDATE
        SET key = excluded.key, message = excluded.message, taken_by = NULL, taken_until = NULL";

/// The statement that claims the records whose keys meet a condition.
fn claim_sql(condition: &str) -> String {
    format!(
        "WITH free AS (
            SELECT run, batch, slot, version FROM parked
            WHERE flow = $1 AND {condition} AND (taken_until IS NULL OR taken_until <= now()) AND NOT EXISTS (
                SELECT FROM changes
                WHERE changes.flow = $1 AND changes.key = parked.key AND waits_for(parked.version, changes.version))
            ORDER BY key, version LIMIT $4 FOR UPDATE SKIP LOCKED
        )
        UPDATE parked SET taken_by = $2, taken_until = now() + make_interval(secs => $3) FROM free
        WHERE parked.run = free.run AND parked.batch = free.batch AND parked.slot = free.slot
            AND parked.version = free.version
        RETURNING message"
    )
}

static CLAIM_OF_ALL: LazyLock<String> = LazyLock::new(|| claim_sql("true"));
static CLAIM_OF_KEYS: LazyLock<String> = LazyLock::new(|| claim_sql("key = ANY ($5::text[])"));

/// A record that was parked again meanwhile, or claimed by another worker, stays.
const DELETE: &str = "
    DELETE FROM parked
    USING unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[]) AS released (run, batch, slot, version)
    WHERE parked.run = released.run AND parked.batch = released.batch AND parked.slot = released.slot
        AND parked.version = released.version AND taken_by = $1";
