//! Claiming keys one after the other, in a transaction.

use pomost_models::AttemptFingerprint;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use crate::{
    Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord,
    rules::{ClaimAttempt, ClaimTimes, LedgerRow, claim_result, is_dead_letter_relevant},
    sqlite::standing_letters::{self, LetterQuery},
};

/// A claim while it is carried out.
pub(super) struct OngoingClaim<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    pub(super) flow: String,
    pub(super) latest_only: bool,
    pub(super) times: ClaimTimes,
    /// The end of the claim, in microseconds since 1970.
    pub(super) until: i64,
}

impl OngoingClaim<'_> {
    pub(super) fn claim(&self, claimed: &ClaimedKey) -> rusqlite::Result<ClaimResult> {
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
        let ClaimAttempt { token, hash, .. } = &claimed.attempt;
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

/// One key that is to be claimed.
pub(super) struct ClaimedKey {
    key: String,
    attempt: ClaimAttempt,
    fingerprint: Option<AttemptFingerprint>,
}

impl ClaimedKey {
    pub(super) fn all(claim: &Claim) -> Vec<ClaimedKey> {
        let claimed_key = |entry: &ClaimEntry| ClaimedKey {
            key: entry.key.clone(),
            attempt: ClaimAttempt {
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
