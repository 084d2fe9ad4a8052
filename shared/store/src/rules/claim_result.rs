//! The result of claiming one key.

use pomost_models::version::is_older;

use crate::{ClaimResult, ClaimToken, KnownRecord, ledger::ContentHash};

/// The ledger's row of one key. Times are in microseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct LedgerRow {
    pub known: KnownRecord,
    /// Order key of the version that was applied.
    pub version: Option<String>,
    /// Hash of the content that was applied.
    pub hash: Option<ContentHash>,
    /// The claim that holds the key, or held it and has run out.
    pub claim: Option<ClaimToken>,
    pub claimed_until: Option<i64>,
    /// True where it is unknown how an earlier request ended.
    pub in_doubt: bool,
    /// Hash of the content that the claim, or the request in doubt, is to apply.
    pub attempted: Option<ContentHash>,
    /// Latest time at which a request that may still be in flight was sent.
    pub asked_at: Option<i64>,
}

/// One entry of a claim.
#[derive(Debug, Clone)]
pub struct ClaimAttempt {
    pub token: ClaimToken,
    /// Order key of the record's version.
    pub version: String,
    pub hash: ContentHash,
    /// Refuses a version that is not of the same type as the one that was applied.
    pub same_version_type: bool,
}

/// The times that a claim depends on, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct ClaimTimes {
    pub now: i64,
    /// A request that was sent at this time or before is no longer in flight.
    pub in_flight_since: i64,
}

/// The result of an attempt to claim the key of a row, without regard to dead letters. A claim that
/// is made again gets the same result.
pub fn claim_result(row: &LedgerRow, attempt: &ClaimAttempt, times: ClaimTimes) -> ClaimResult {
    if !is_claimed_by(row, attempt.token)
        && let Some(refusal) = refusal(row, attempt, times.now)
    {
        return refusal;
    }
    let is_abandoned = row.claim.is_some_and(|claim| claim != attempt.token);
    if !row.in_doubt && !is_abandoned {
        return ClaimResult::Claimed(row.known.clone());
    }
    // A worker that lost its claim may have sent requests as long as the claim lasted.
    let asked_at = match is_abandoned {
        true => row.claimed_until,
        false => row.asked_at,
    };
    ClaimResult::InDoubt {
        known: row.known.clone(),
        attempted: row.attempted,
        still_in_flight: asked_at.is_some_and(|asked_at| asked_at > times.in_flight_since),
    }
}

/// True where a standing dead letter makes the result [`ClaimResult::Dead`]. A key that the same
/// claim holds already is being worked on.
pub fn is_dead_letter_relevant(
    row: &LedgerRow,
    attempt: &ClaimAttempt,
    result: &ClaimResult,
) -> bool {
    result.known().is_some() && !is_claimed_by(row, attempt.token)
}

fn refusal(row: &LedgerRow, attempt: &ClaimAttempt, now: i64) -> Option<ClaimResult> {
    let applied = row.version.as_deref();
    if row.claimed_until.is_some_and(|until| until > now) {
        return Some(ClaimResult::ClaimedElsewhere);
    }
    if attempt.same_version_type && applied.is_some_and(|it| have_no_order(it, &attempt.version)) {
        return Some(ClaimResult::VersionTypeMismatch);
    }
    if applied.is_some_and(|applied| is_older(&attempt.version, applied)) {
        return Some(ClaimResult::Stale);
    }
    let is_known = !row.in_doubt && row.claim.is_none();
    (is_known && row.hash == Some(attempt.hash)).then_some(ClaimResult::Unchanged)
}

fn is_claimed_by(row: &LedgerRow, token: ClaimToken) -> bool {
    row.claim == Some(token)
}

/// True for two versions of the source's that are of different types, by the first character of
/// their order keys. The order of extraction (`e`) is no version of the source's.
fn have_no_order(one: &str, other: &str) -> bool {
    let source_type = |version: &str| version.chars().next().filter(|&kind| kind != 'e');
    let types = source_type(one).zip(source_type(other));
    types.is_some_and(|(one, other)| one != other)
}
