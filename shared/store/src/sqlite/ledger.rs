//! Claims and settlements, in SQLite: each is one transaction.

use std::time::Duration;

use async_trait::async_trait;
use pomost_models::AttemptFingerprint;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use super::{
    SqliteStore, runs,
    standing_letters::{self, LetterQuery},
    values,
};
use crate::{
    BatchSettlement, Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord, Ledger, Result,
    SettledEntry, SettledState,
    rules::{Attempt, ClaimTimes, LedgerRow, claim_result, is_dead_letter_relevant},
};

#[async_trait]
impl Ledger for SqliteStore {
    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>> {
        let keys = ClaimedKey::all(claim);
        let (flow, latest_only) = (claim.flow.clone(), claim.latest_only);
        let in_flight_for = claim.in_flight_for;
        self.write(move |transaction| {
            let claiming = Claiming {
                transaction,
                flow,
                latest_only,
                times: ClaimTimes {
                    now: values::now(),
                    in_flight_since: values::before(in_flight_for),
                },
                until: values::in_future(ttl),
            };
            keys.iter().map(|key| claiming.claim(key)).collect()
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

/// One key that is to be claimed.
struct ClaimedKey {
    key: String,
    attempt: Attempt,
    fingerprint: Option<AttemptFingerprint>,
}

impl ClaimedKey {
    fn all(claim: &Claim) -> Vec<ClaimedKey> {
        let claimed_key = |entry: &ClaimEntry| ClaimedKey {
            key: entry.key.clone(),
            attempt: Attempt {
                token: claim.token,
                version: entry.version.order_key(),
                hash: entry.hash,
                same_version_type: claim.same_version_type,
            },
            fingerprint: entry.fingerprint,
        };
        claim.entries.iter().map(claimed_key).collect()
    }
}

/// Claims one key after the other in a transaction.
struct Claiming<'t> {
    transaction: &'t Transaction<'t>,
    flow: String,
    latest_only: bool,
    times: ClaimTimes,
    until: i64,
}

impl Claiming<'_> {
    fn claim(&self, claimed: &ClaimedKey) -> rusqlite::Result<ClaimResult> {
        let ClaimedKey { key, attempt, .. } = claimed;
        let row = self.row(key)?;
        let result = claim_result(&row, attempt, self.times);
        if is_dead_letter_relevant(&row, attempt, &result) && self.is_dead(claimed, &row)? {
            return Ok(ClaimResult::Dead);
        }
        match result {
            ClaimResult::Claimed(_) => self.hold(claimed, false)?,
            ClaimResult::InDoubt { .. } => self.hold(claimed, true)?,
            ClaimResult::Unchanged => self.store_version(claimed)?,
            ClaimResult::Stale
            | ClaimResult::ClaimedElsewhere
            | ClaimResult::VersionTypeMismatch
            | ClaimResult::Dead => {}
        }
        Ok(result)
    }

    fn row(&self, key: &str) -> rusqlite::Result<LedgerRow> {
        let row = self
            .transaction
            .prepare_cached("SELECT * FROM ledger WHERE flow = ?1 AND key = ?2")?
            .query_row((&self.flow, key), ledger_row)
            .optional()?;
        Ok(row.unwrap_or_default())
    }

    /// Finds a standing letter of an equal attempt, and gives it the version of this one where only
    /// the latest matters.
    fn is_dead(&self, claimed: &ClaimedKey, row: &LedgerRow) -> rusqlite::Result<bool> {
        let Some(fingerprint) = claimed.fingerprint else {
            return Ok(false);
        };
        let letter = LetterQuery::at_load(
            &self.flow,
            &claimed.key,
            fingerprint,
            row.version.as_deref(),
        )
        .find(self.transaction)?;
        if let (Some(letter), true) = (&letter, self.latest_only) {
            standing_letters::renew(self.transaction, letter, &claimed.attempt.version)?;
        }
        Ok(letter.is_some())
    }

    fn hold(&self, claimed: &ClaimedKey, in_doubt: bool) -> rusqlite::Result<()> {
        // The content that was attempted first stays while the key is in doubt. A worker that lost
        // its claim may have sent requests as long as the claim lasted.
        let sql = "
            INSERT INTO ledger (flow, key, claim, claimed_until, in_doubt, attempted) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (flow, key) DO UPDATE SET
                claim = excluded.claim, claimed_until = excluded.claimed_until, in_doubt = excluded.in_doubt,
                attempted = CASE WHEN excluded.in_doubt THEN attempted ELSE excluded.attempted END,
                asked_at = CASE WHEN claim <> excluded.claim THEN claimed_until ELSE asked_at END";
        let Attempt { token, hash, .. } = &claimed.attempt;
        let mut statement = self.transaction.prepare_cached(sql)?;
        statement
            .execute(params![
                self.flow,
                claimed.key,
                token.0.as_bytes(),
                self.until,
                in_doubt,
                hash
            ])
            .map(drop)
    }

    /// Stores the version of unchanged content, which may be newer: older content that comes later
    /// is then stale.
    fn store_version(&self, claimed: &ClaimedKey) -> rusqlite::Result<()> {
        let sql =
            "UPDATE ledger SET version = ?3 WHERE flow = ?1 AND key = ?2 AND version IS NOT ?3";
        self.transaction
            .prepare_cached(sql)?
            .execute((&self.flow, &claimed.key, &claimed.attempt.version))
            .map(drop)
    }
}

fn ledger_row(row: &Row<'_>) -> rusqlite::Result<LedgerRow> {
    let claim: Option<[u8; 16]> = row.get("claim")?;
    Ok(LedgerRow {
        known: KnownRecord {
            id: row.get("id")?,
            etag: row.get("etag")?,
            incarnation: row.get("incarnation")?,
        },
        version: row.get("version")?,
        hash: row.get("hash")?,
        claim: claim.map(|token| ClaimToken(Uuid::from_bytes(token))),
        claimed_until: row.get("claimed_until")?,
        in_doubt: row.get("in_doubt")?,
        attempted: row.get("attempted")?,
        asked_at: row.get("asked_at")?,
    })
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
