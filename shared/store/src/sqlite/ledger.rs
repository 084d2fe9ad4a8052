//! Claims and settlements, in SQLite: each is one transaction.

mod claims;

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Transaction, params};

use super::{SqliteStore, runs, values};
use crate::{
    BatchSettlement, Claim, ClaimResult, ClaimToken, Ledger, Result, SettledEntry, SettledState,
    rules::ClaimTimes,
};
use claims::{ClaimedKey, OngoingClaim};

#[async_trait]
impl Ledger for SqliteStore {
    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>> {
        let keys = ClaimedKey::all(claim);
        let (flow, latest_only) = (claim.flow.clone(), claim.latest_only);
        let in_flight_for = claim.in_flight_for;
        self.write(move |transaction| {
            let ongoing = OngoingClaim {
                transaction,
                flow,
                latest_only,
                times: ClaimTimes {
                    now: values::now(),
                    in_flight_since: values::before(in_flight_for),
                },
                until: values::in_future(ttl),
            };
            keys.iter().map(|key| ongoing.claim(key)).collect()
        })
        .await
    }

    async fn renew_claim(&self, claim: &Claim, ttl: Duration) -> Result<bool> {
        let (flow, token) = (claim.flow.clone(), claim.token);
        let keys: Vec<String> = claim
            .entries
            .iter()
            .map(|entry| entry.key.clone())
            .collect();
        let sql =
            "UPDATE ledger SET claimed_until = ?4 WHERE flow = ?1 AND key = ?2 AND claim = ?3";
        self.write(move |transaction| {
            let mut statement = transaction.prepare_cached(sql)?;
            let until = values::in_future(ttl);
            let mut renewed = 0;
            for key in &keys {
                renewed += statement.execute((&flow, key, token.0.as_bytes(), until))?;
            }
            Ok(renewed == keys.len())
        })
        .await
    }

    async fn settle(&self, settlement: &BatchSettlement) -> Result<Vec<String>> {
        let BatchSettlement {
            flow,
            token,
            entries,
            run,
            batch,
            outcomes,
        } = settlement.clone();
        self.write(move |transaction| {
            let mut lost = Vec::new();
            for entry in entries {
                if !settle_key(transaction, &flow, token, &entry)? {
                    lost.push(entry.key);
                }
            }
            // The outcomes include those of the lost keys, which the worker that has them will
            // count.
            if lost.is_empty() {
                runs::merge_batch(transaction, run, &batch, outcomes.mask())?;
            }
            Ok(lost)
        })
        .await
    }

    async fn resolve_in_doubt(&self, flow: &str, key: &str, id: Option<&str>) -> Result<bool> {
        let (flow, key, id) = (flow.to_owned(), key.to_owned(), id.map(str::to_owned));
        self.write(move |transaction| {
            // A key whose claim ran out is in doubt as well.
            let sql = "
                UPDATE ledger SET id = ?3, etag = NULL, hash = NULL, attempted = NULL, asked_at = NULL, in_doubt = 0,
                    claim = NULL, claimed_until = NULL, incarnation = incarnation + (?3 IS NULL)
                WHERE flow = ?1 AND key = ?2 AND (in_doubt OR claim IS NOT NULL)
                    AND (claim IS NULL OR claimed_until <= ?4)";
            transaction.execute(sql, (&flow, &key, id, values::now()))?;
            let held = "SELECT 1 FROM ledger WHERE flow = ?1 AND key = ?2 AND claim IS NOT NULL";
            Ok(!transaction.prepare_cached(held)?.exists((&flow, &key))?)
        })
        .await
    }

    async fn has_applied_records(&self, flow: &str) -> Result<bool> {
        let flow = flow.to_owned();
        let sql = "SELECT EXISTS (SELECT 1 FROM ledger WHERE flow = ?1)";
        self.read(move |connection| connection.query_row(sql, [flow], |row| row.get(0)))
            .await
    }
}

/// Ends every claim. Its key is then in doubt.
pub(super) fn expire_claims(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "
        UPDATE ledger SET claim = NULL, claimed_until = NULL, in_doubt = 1, asked_at = ?1
        WHERE claim IS NOT NULL";
    transaction.execute(sql, [values::now()]).map(drop)
}

/// Settles one key. Returns `false` where the claim no longer held it.
fn settle_key(
    transaction: &Transaction<'_>,
    flow: &str,
    token: ClaimToken,
    entry: &SettledEntry,
) -> rusqlite::Result<bool> {
    let (key, token) = (&entry.key, token.0.as_bytes());
    let rows = match &entry.state {
        SettledState::Applied {
            known,
            version,
            hash,
        } => {
            let sql = "
                UPDATE ledger SET id = ?4, etag = ?5, incarnation = ?6, version = ?7, hash = ?8,
                    in_doubt = 0, attempted = NULL, asked_at = NULL, claim = NULL, claimed_until = NULL
                WHERE flow = ?1 AND key = ?2 AND claim = ?3";
            let (id, etag, version) = (&known.id, &known.etag, version.order_key());
            transaction.prepare_cached(sql)?.execute(params![
                flow,
                key,
                token,
                id,
                etag,
                known.incarnation,
                version,
                hash
            ])?
        }
        state @ (SettledState::Released | SettledState::InDoubt | SettledState::StillInFlight) => {
            let sql = "
                UPDATE ledger SET in_doubt = in_doubt OR ?4, claim = NULL, claimed_until = NULL,
                    attempted = CASE WHEN in_doubt OR ?4 THEN attempted END, asked_at = coalesce(?5, asked_at)
                WHERE flow = ?1 AND key = ?2 AND claim = ?3";
            let is_in_doubt = *state != SettledState::Released;
            let asked_at = (*state == SettledState::StillInFlight).then(values::now);
            transaction
                .prepare_cached(sql)?
                .execute((flow, key, token, is_in_doubt, asked_at))?
        }
    };
    Ok(rows > 0)
}
