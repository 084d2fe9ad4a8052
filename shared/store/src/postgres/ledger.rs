//! Claims and settlements, in PostgreSQL: each is one statement.
//!
//! Rows are looked up one by one (`LATERAL … LIMIT 1`) and written by `INSERT … ON CONFLICT`: both
//! use the primary key whatever the planner believes about the size of the table. Rows are locked
//! in the order of their keys, so that two batches never wait for each other.

mod claims;
mod settlements;

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;

use super::{PostgresStore, text::escaped};
use crate::{BatchSettlement, Claim, ClaimResult, Ledger, Result};
use claims::{CLAIM, claim_result};
use settlements::{SETTLE, SettlementColumns};

#[async_trait]
impl Ledger for PostgresStore {
    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>> {
        let keys = keys_of(claim);
        let versions: Vec<_> = claim
            .entries
            .iter()
            .map(|entry| entry.version.order_key())
            .collect();
        let versions: Vec<_> = versions.iter().map(|version| escaped(version)).collect();
        let hashes: Vec<&[u8]> = claim
            .entries
            .iter()
            .map(|entry| entry.hash.as_slice())
            .collect();
        let fingerprints: Vec<Option<&[u8]>> = claim
            .entries
            .iter()
            .map(|entry| Some(&entry.fingerprint.as_ref()?.0[..]))
            .collect();
        let (token, seconds) = (claim.token.0, ttl.as_secs_f64());
        let in_flight_for = claim.in_flight_for.as_secs_f64();
        let parameters = [
            &claim.flow as _,
            &keys as _,
            &versions as _,
            &hashes as _,
            &token as _,
            &seconds as _,
            &claim.same_version_type as _,
            &in_flight_for as _,
            &fingerprints as _,
            &claim.latest_only as _,
        ];
        let rows = self.connections.query(CLAIM, &parameters).await?;
        rows.iter()
            .map(|row| claim_result(&self.connections, row))
            .collect()
    }

    async fn renew_claim(&self, claim: &Claim, ttl: Duration) -> Result<bool> {
        let (keys, seconds) = (keys_of(claim), ttl.as_secs_f64());
        let renewed = self
            .connections
            .execute(RENEW, &[&claim.flow, &claim.token.0, &keys, &seconds])
            .await?;
        Ok(renewed == keys.len() as u64)
    }

    async fn settle(&self, settlement: &BatchSettlement) -> Result<Vec<String>> {
        let BatchSettlement {
            flow,
            token,
            entries,
            run,
            batch,
            outcomes,
        } = settlement;
        let columns = SettlementColumns::of(entries);
        let rows = self
            .connections
            .query(
                SETTLE,
                &[
                    flow,
                    &token.0,
                    &columns.keys,
                    &columns.ids,
                    &columns.etags,
                    &columns.incarnations,
                    &columns.versions,
                    &columns.hashes,
                    &columns.in_doubt,
                    &run.0,
                    &escaped(batch),
                    &outcomes.mask(),
                    &columns.still_in_flight,
                ],
            )
            .await?;
        let places = rows
            .iter()
            .filter_map(|row| usize::try_from(row.get::<_, i64>(0) - 1).ok());
        Ok(places
            .filter_map(|place| entries.get(place))
            .map(|entry| entry.key.clone())
            .collect())
    }

    async fn resolve_in_doubt(&self, flow: &str, key: &str, id: Option<&str>) -> Result<bool> {
        let held = self
            .connections
            .query_one(RESOLVE_IN_DOUBT, &[&flow, &escaped(key), &id.map(escaped)])
            .await?;
        Ok(held.is_none())
    }

    async fn has_applied_records(&self, flow: &str) -> Result<bool> {
        let sql = "SELECT FROM ledger WHERE flow = $1 LIMIT 1";
        Ok(self.connections.query_one(sql, &[&flow]).await?.is_some())
    }
}

const RENEW: &str = "
    INSERT INTO ledger AS known (flow, key, claim, claimed_until)
    SELECT $1, held.key, $2, now() + make_interval(secs => $4)
    FROM unnest($3::text[]) AS wanted (key), LATERAL (
        SELECT key FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key AND ledger.claim = $2 LIMIT 1
    ) AS held ORDER BY held.key
    ON CONFLICT (flow, key) DO UPDATE SET claimed_until = excluded.claimed_until
    WHERE known.claim = excluded.claim";

/// A key whose claim ran out is in doubt as well. The lock keeps the row as it was seen.
const RESOLVE_IN_DOUBT: &str = "
    WITH known AS MATERIALIZED (
        SELECT claim IS NOT NULL AND claimed_until > now() AS held FROM ledger
        WHERE flow = $1 AND key = $2 AND (in_doubt OR claim IS NOT NULL) FOR UPDATE
    ), resolved AS (
        UPDATE ledger SET id = $3, etag = NULL, hash = NULL, attempted = NULL, asked_at = NULL,
            in_doubt = false, claim = NULL, claimed_until = NULL,
            incarnation = incarnation + CASE WHEN $3::text IS NULL THEN 1 ELSE 0 END
        FROM known WHERE flow = $1 AND key = $2 AND NOT known.held
    )
    SELECT FROM known WHERE held";

fn keys_of(claim: &Claim) -> Vec<Cow<'_, str>> {
    claim
        .entries
        .iter()
        .map(|entry| escaped(&entry.key))
        .collect()
}
