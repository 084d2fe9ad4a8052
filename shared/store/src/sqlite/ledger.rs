//! Claims and settlements, each in one transaction.

use std::time::Duration;

use pomost_models::{AttemptFingerprint, version::is_older};
use pomost_sqlite::Database;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{
    dead_letters::{self, Standing},
    runs, values,
};
use crate::{
    BatchSettlement, Claim, ClaimResult, KnownRecord, Result, SettledEntry, SettledState,
    ledger::{ClaimToken, ContentHash},
};

pub(super) async fn claim(
    database: &Database,
    claim: &Claim,
    ttl: Duration,
) -> Result<Vec<ClaimResult>> {
    let (flow, token, patience) = (claim.flow.clone(), claim.token, claim.in_flight_for);
    let (refuses_mixed, newest_alone) = (claim.same_version_type, claim.latest_only);
    let wanted: Vec<Wanted> = claim
        .entries
        .iter()
        .map(|entry| Wanted {
            key: entry.key.clone(),
            version: entry.version.order_key(),
            hash: entry.hash,
            fate: entry.fingerprint,
            refuses_mixed,
            newest_alone,
        })
        .collect();
    let answers = database.write(move |transaction| {
        let times = Times::of(patience, ttl);
        let claim_one = |wanted| claim_key(transaction, &flow, token, wanted, times);
        wanted.iter().map(claim_one).collect()
    });
    Ok(answers.await?)
}

pub(super) async fn renew(database: &Database, claim: &Claim, ttl: Duration) -> Result<bool> {
    let (flow, token) = (claim.flow.clone(), claim.token);
    let keys: Vec<String> = claim
        .entries
        .iter()
        .map(|entry| entry.key.clone())
        .collect();
    let sql = "UPDATE ledger SET claimed_until = ?4 WHERE flow = ?1 AND key = ?2 AND claim = ?3";
    let renewed = database.write(move |transaction| {
        let mut statement = transaction.prepare_cached(sql)?;
        let until = values::in_future(ttl);
        let mut renewed = 0;
        for key in &keys {
            renewed += statement.execute((&flow, key, token.0.as_bytes(), until))?;
        }
        Ok(renewed == keys.len())
    });
    Ok(renewed.await?)
}

pub(super) async fn settle(
    database: &Database,
    settlement: &BatchSettlement,
) -> Result<Vec<String>> {
    let BatchSettlement {
        flow,
        token,
        entries,
        run,
        batch,
        outcomes,
    } = settlement.clone();
    let lost = database.write(move |transaction| {
        let mut lost = Vec::new();
        for SettledEntry {
            key,
            state: settled,
        } in entries
        {
            if !settle_key(transaction, &flow, token, &key, &settled)? {
                lost.push(key);
            }
        }
        if lost.is_empty() {
            runs::merge_batch(transaction, run, &batch, outcomes.mask())?;
        }
        Ok(lost)
    });
    Ok(lost.await?)
}

pub(super) async fn resolve_doubt(
    database: &Database,
    flow: &str,
    key: &str,
    id: Option<&str>,
) -> Result<bool> {
    let (flow, key, id) = (flow.to_owned(), key.to_owned(), id.map(str::to_owned));
    let resolved = database.write(move |transaction| {
        // A claim that ran out leaves a doubt as well.
        let sql = "
            UPDATE ledger SET id = ?3, etag = NULL, hash = NULL, attempted = NULL, asked_at = NULL, in_doubt = 0,
                claim = NULL, claimed_until = NULL, incarnation = incarnation + (?3 IS NULL)
            WHERE flow = ?1 AND key = ?2 AND (in_doubt OR claim IS NOT NULL)
                AND (claim IS NULL OR claimed_until <= ?4)";
        transaction.execute(sql, (&flow, &key, id, values::now()))?;
        let held = "SELECT 1 FROM ledger WHERE flow = ?1 AND key = ?2 AND claim IS NOT NULL";
        Ok(!transaction.prepare_cached(held)?.exists((&flow, &key))?)
    });
    Ok(resolved.await?)
}

/// Claims that nobody will settle put their keys in doubt.
pub(super) async fn expire_claims_and_leases(database: &Database) -> Result<()> {
    let freed = database.write(|transaction| {
        transaction.execute(
            "UPDATE ledger SET claim = NULL, claimed_until = NULL, in_doubt = 1, asked_at = ?1
             WHERE claim IS NOT NULL",
            [values::now()],
        )?;
        transaction.execute_batch(
            "UPDATE leases SET token = token + 1, expires_at = 0;
             UPDATE parked SET taken_until = NULL;",
        )
    });
    Ok(freed.await?)
}

/// What is to be applied to one key.
struct Wanted {
    key: String,
    version: String,
    hash: ContentHash,
    fate: Option<AttemptFingerprint>,
    refuses_mixed: bool,
    newest_alone: bool,
}

/// The times that matter to a claim.
#[derive(Clone, Copy)]
struct Times {
    now: i64,
    /// What was asked for before has ended by now.
    patient_since: i64,
    /// The end of the claim.
    until: i64,
}

impl Times {
    fn of(patience: Duration, ttl: Duration) -> Times {
        Times {
            now: values::now(),
            patient_since: values::before(patience),
            until: values::in_future(ttl),
        }
    }
}

/// The row of one key.
struct Held {
    known: KnownRecord,
    version: Option<String>,
    hash: Option<Vec<u8>>,
    claim: Option<Vec<u8>>,
    claimed_until: Option<i64>,
    in_doubt: bool,
    attempted: Option<ContentHash>,
    asked_at: Option<i64>,
}

impl Held {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Held> {
        Ok(Held {
            known: KnownRecord {
                id: row.get("id")?,
                etag: row.get("etag")?,
                incarnation: row.get("incarnation")?,
            },
            version: row.get("version")?,
            hash: row.get("hash")?,
            claim: row.get("claim")?,
            claimed_until: row.get("claimed_until")?,
            in_doubt: row.get("in_doubt")?,
            attempted: row.get("attempted")?,
            asked_at: row.get("asked_at")?,
        })
    }

    /// The answer to a claim by `token`.
    fn answer(&self, token: ClaimToken, wanted: &Wanted, times: Times) -> ClaimResult {
        let claimed_by_us = self.is_claimed_by(token);
        if !claimed_by_us && self.claimed_until.is_some_and(|until| until > times.now) {
            return ClaimResult::ClaimedElsewhere;
        }
        if !claimed_by_us && self.is_mixed(wanted) {
            return ClaimResult::VersionTypeMismatch;
        }
        if !claimed_by_us
            && self
                .version
                .as_deref()
                .is_some_and(|known| is_older(&wanted.version, known))
        {
            return ClaimResult::Stale;
        }
        let abandoned = self.claim.is_some() && !claimed_by_us;
        if self.in_doubt || abandoned {
            let asked_at = if abandoned {
                self.claimed_until
            } else {
                self.asked_at
            };
            let under_way = asked_at.is_some_and(|asked_at| asked_at > times.patient_since);
            return ClaimResult::InDoubt {
                known: self.known.clone(),
                attempted: self.attempted,
                still_in_flight: under_way,
            };
        }
        if !claimed_by_us && self.hash.as_deref() == Some(&wanted.hash) {
            return ClaimResult::Unchanged;
        }
        ClaimResult::Claimed(self.known.clone())
    }

    fn is_claimed_by(&self, token: ClaimToken) -> bool {
        self.claim.as_deref() == Some(token.0.as_bytes())
    }

    /// Orders of extraction are no versions of the source's.
    fn is_mixed(&self, wanted: &Wanted) -> bool {
        let source_s = |version: &str| version.chars().next().filter(|&kind| kind != 'e');
        let known = self.version.as_deref().and_then(source_s);
        wanted.refuses_mixed
            && known.is_some_and(|known| {
                source_s(&wanted.version).is_some_and(|wanted| wanted != known)
            })
    }
}

fn claim_key(
    transaction: &Transaction<'_>,
    flow: &str,
    token: ClaimToken,
    wanted: &Wanted,
    times: Times,
) -> rusqlite::Result<ClaimResult> {
    let held = transaction
        .prepare_cached("SELECT * FROM ledger WHERE flow = ?1 AND key = ?2")?
        .query_row((flow, &wanted.key), Held::from_row)
        .optional()?;
    let is_ours = held.as_ref().is_some_and(|held| held.is_claimed_by(token));
    let known = held.as_ref().and_then(|held| held.version.clone());
    let answer = held.map_or(ClaimResult::Claimed(KnownRecord::default()), |held| {
        held.answer(token, wanted, times)
    });
    let letter = match wanted.fate {
        Some(fate) if !is_ours && answer.known().is_some() => {
            Standing::at_load(flow, &wanted.key, fate, known.as_deref()).letter(transaction)?
        }
        _ => None,
    };
    if let (Some(letter), true) = (&letter, wanted.newest_alone) {
        dead_letters::renew(transaction, letter, &wanted.version)?;
    }
    let answer = if letter.is_some() {
        ClaimResult::Dead
    } else {
        answer
    };
    match answer {
        ClaimResult::Claimed(_) => hold(transaction, flow, token, wanted, times.until, false)?,
        ClaimResult::InDoubt { .. } => hold(transaction, flow, token, wanted, times.until, true)?,
        ClaimResult::Unchanged => note_version(transaction, flow, wanted)?,
        ClaimResult::Stale
        | ClaimResult::ClaimedElsewhere
        | ClaimResult::VersionTypeMismatch
        | ClaimResult::Dead => {}
    }
    Ok(answer)
}

/// What was attempted stays while the key is in doubt. Whoever lost a claim may have asked for something as
/// long as that lasted.
fn hold(
    transaction: &Transaction<'_>,
    flow: &str,
    token: ClaimToken,
    wanted: &Wanted,
    until: i64,
    in_doubt: bool,
) -> rusqlite::Result<()> {
    let sql = "
        INSERT INTO ledger (flow, key, claim, claimed_until, in_doubt, attempted) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (flow, key) DO UPDATE SET
            claim = excluded.claim, claimed_until = excluded.claimed_until, in_doubt = excluded.in_doubt,
            attempted = CASE WHEN excluded.in_doubt THEN attempted ELSE excluded.attempted END,
            asked_at = CASE WHEN claim <> excluded.claim THEN claimed_until ELSE asked_at END";
    let mut statement = transaction.prepare_cached(sql)?;
    statement
        .execute((
            flow,
            &wanted.key,
            token.0.as_bytes(),
            until,
            in_doubt,
            wanted.hash,
        ))
        .map(drop)
}

/// Content that is unchanged may be of a newer version; older content that comes later is then stale.
fn note_version(
    transaction: &Transaction<'_>,
    flow: &str,
    wanted: &Wanted,
) -> rusqlite::Result<()> {
    let sql = "UPDATE ledger SET version = ?3 WHERE flow = ?1 AND key = ?2 AND version IS NOT ?3";
    transaction
        .prepare_cached(sql)?
        .execute((flow, &wanted.key, &wanted.version))
        .map(drop)
}

/// Whether the claim still held the key.
fn settle_key(
    transaction: &Transaction<'_>,
    flow: &str,
    token: ClaimToken,
    key: &str,
    settled: &SettledState,
) -> rusqlite::Result<bool> {
    let held = (flow, key, token.0.as_bytes());
    let rows = match settled {
        SettledState::Applied {
            known:
                KnownRecord {
                    id,
                    etag,
                    incarnation,
                },
            version,
            hash,
        } => {
            let sql = "
                UPDATE ledger SET id = ?4, etag = ?5, incarnation = ?6, version = ?7, hash = ?8,
                    in_doubt = 0, attempted = NULL, asked_at = NULL, claim = NULL, claimed_until = NULL
                WHERE flow = ?1 AND key = ?2 AND claim = ?3";
            let parameters = (
                held.0,
                held.1,
                held.2,
                id,
                etag,
                incarnation,
                version.order_key(),
                hash,
            );
            transaction.prepare_cached(sql)?.execute(parameters)?
        }
        SettledState::Released | SettledState::InDoubt | SettledState::StillInFlight => {
            let sql = "
                UPDATE ledger SET in_doubt = in_doubt OR ?4, claim = NULL, claimed_until = NULL,
                    attempted = CASE WHEN in_doubt OR ?4 THEN attempted END, asked_at = coalesce(?5, asked_at)
                WHERE flow = ?1 AND key = ?2 AND claim = ?3";
            let asked_at = (*settled == SettledState::StillInFlight).then(values::now);
            let parameters = (
                held.0,
                held.1,
                held.2,
                *settled != SettledState::Released,
                asked_at,
            );
            transaction.prepare_cached(sql)?.execute(parameters)?
        }
    };
    Ok(rows > 0)
}
