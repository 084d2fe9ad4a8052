//! Claims and settlements, each in one statement.
//!
//! Rows are looked up one by one (`LATERAL … LIMIT 1`) and written by `INSERT … ON CONFLICT`: both
//! use the primary key whatever the planner believes about the size of the table. Rows are locked in
//! the order of their keys, so that two batches never wait for each other.

use std::{borrow::Cow, time::Duration};

use pomost_models::Version;
use tokio_postgres::Row;

use super::{
    connection::Connections,
    text::{restored, stored},
};
use crate::{
    BatchSettlement, Claim, ClaimResult, KnownRecord, Result, SettledEntry, SettledState,
    ledger::ContentHash,
};

/// What a row says is decided on what the statement sees at its start; rows that are not to be
/// claimed are never locked. A row that is to be written carries what was seen of it, and is
/// written only if that still holds: who lost a race is told that the key is busy. Content that is
/// unchanged may be of a newer version, which is noted, so that older content that comes late is stale.
/// What was attempted stays while the key is in doubt: nobody creates anything else before that is known.
/// Whoever lost a claim may have asked for something as long as that lasted. Dead letters are looked for only where
/// there would be something to do.
const CLAIM: &str = "
    WITH wanted AS (
        SELECT * FROM unnest($2::text[], $3::text[], $4::bytea[], $9::bytea[]) WITH ORDINALITY
            AS wanted (key, version, hash, fate, place)
    ), seen AS MATERIALIZED (
        SELECT wanted.key, wanted.place, wanted.fate, wanted.version AS wanted_version, wanted.hash AS wanted_hash,
            known.version, known.hash,
            CASE
                WHEN known.claim = $5 THEN 'act'
                WHEN known.claimed_until > now() THEN 'busy'
                WHEN $7 AND left(wanted.version, 1) <> left(known.version, 1)
                    AND 'e' NOT IN (left(wanted.version, 1), left(known.version, 1)) THEN 'mixed'
                WHEN is_older(wanted.version, known.version) THEN 'stale'
                WHEN known.claim IS NULL AND NOT known.in_doubt AND known.hash = wanted.hash
                    THEN CASE WHEN known.version = wanted.version THEN 'unchanged' ELSE 'newer' END
                WHEN EXISTS (
                    SELECT FROM dead_letters AS dead
                    WHERE dead.flow = $1 AND dead.key = wanted.key AND dead.fate = wanted.fate AND dead.stage = 'load'
                        AND dead.state IN ('open', 'discarded') AND dead.replayed_in IS NULL
                        AND NOT is_older(dead.version, known.version)) THEN 'dead'
                ELSE 'act'
            END AS answer
        FROM wanted LEFT JOIN LATERAL (
            SELECT * FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key LIMIT 1
        ) AS known ON true
    ), renewed AS (
        UPDATE dead_letters AS dead SET version = seen.wanted_version FROM seen
        WHERE $10 AND seen.answer = 'dead'
            AND dead.flow = $1 AND dead.key = seen.key AND dead.fate = seen.fate AND dead.stage = 'load'
            AND dead.state IN ('open', 'discarded') AND dead.replayed_in IS NULL
            AND is_older(dead.version, seen.wanted_version)
    ), written AS (
        INSERT INTO ledger AS known (flow, key, version, hash, claim, claimed_until, attempted)
        SELECT $1, key,
            CASE answer WHEN 'newer' THEN wanted_version ELSE version END,
            hash,
            CASE answer WHEN 'act' THEN $5 END,
            CASE answer WHEN 'act' THEN now() + make_interval(secs => $6) END,
            CASE answer WHEN 'act' THEN wanted_hash END
        FROM seen WHERE answer IN ('act', 'newer') ORDER BY key COLLATE \"C\"
        ON CONFLICT (flow, key) DO UPDATE SET
            version = excluded.version,
            claim = excluded.claim,
            claimed_until = excluded.claimed_until,
            in_doubt = known.in_doubt OR coalesce(known.claim <> excluded.claim, false),
            attempted = CASE WHEN known.in_doubt OR known.claim <> excluded.claim
                THEN known.attempted ELSE excluded.attempted END,
            asked_at = CASE WHEN known.claim <> excluded.claim THEN known.claimed_until ELSE known.asked_at END
        WHERE known.hash IS NOT DISTINCT FROM excluded.hash AND CASE
            WHEN excluded.claim IS NULL
                THEN known.claim IS NULL AND NOT known.in_doubt AND NOT is_older(excluded.version, known.version)
            ELSE known.version IS NOT DISTINCT FROM excluded.version
                AND (known.claim IS NULL OR known.claim = excluded.claim OR known.claimed_until <= now())
            END
        RETURNING key, id, etag, incarnation, attempted, in_doubt,
            coalesce(asked_at > now() - make_interval(secs => $8), false) AS under_way
    )
    SELECT written.id, written.etag, written.incarnation, written.attempted, written.under_way, CASE
            WHEN seen.answer IN ('act', 'newer') AND written.key IS NULL THEN 'busy'
            WHEN seen.answer = 'newer' THEN 'unchanged'
            WHEN written.in_doubt THEN 'unknown'
            ELSE seen.answer
        END AS answer
    FROM seen LEFT JOIN written ON written.key = seen.key
    ORDER BY seen.place";

const RENEW: &str = "
    INSERT INTO ledger AS known (flow, key, claim, claimed_until)
    SELECT $1, held.key, $2, now() + make_interval(secs => $4)
    FROM unnest($3::text[]) AS wanted (key), LATERAL (
        SELECT key FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key AND ledger.claim = $2 LIMIT 1
    ) AS held ORDER BY held.key
    ON CONFLICT (flow, key) DO UPDATE SET claimed_until = excluded.claimed_until
    WHERE known.claim = excluded.claim";

/// A row that carries a hash was applied; what was in doubt is then known. One that carries none
/// leaves what is known as it is, and doubt as well.
const SETTLE: &str = "
    WITH settled AS (
        SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bytea[], $9::boolean[],
            $13::boolean[])
            WITH ORDINALITY AS settled (key, id, etag, incarnation, version, hash, in_doubt, under_way, place)
    ), written AS (
        INSERT INTO ledger AS known (flow, key, id, etag, incarnation, version, hash, in_doubt, asked_at)
        SELECT $1, settled.key, settled.id, settled.etag, settled.incarnation, settled.version, settled.hash,
            settled.in_doubt, CASE WHEN settled.under_way THEN now() END
        FROM settled, LATERAL (
            SELECT key FROM ledger WHERE ledger.flow = $1 AND ledger.key = settled.key AND ledger.claim = $2 LIMIT 1
        ) AS held ORDER BY held.key
        ON CONFLICT (flow, key) DO UPDATE SET
            id = CASE WHEN excluded.hash IS NULL THEN known.id ELSE excluded.id END,
            etag = CASE WHEN excluded.hash IS NULL THEN known.etag ELSE excluded.etag END,
            incarnation = CASE WHEN excluded.hash IS NULL THEN known.incarnation ELSE excluded.incarnation END,
            version = coalesce(excluded.version, known.version),
            hash = coalesce(excluded.hash, known.hash),
            in_doubt = excluded.in_doubt OR (known.in_doubt AND excluded.hash IS NULL),
            attempted = CASE WHEN excluded.in_doubt OR (known.in_doubt AND excluded.hash IS NULL)
                THEN known.attempted END,
            asked_at = CASE WHEN excluded.hash IS NULL THEN coalesce(excluded.asked_at, known.asked_at) END,
            claim = NULL,
            claimed_until = NULL
        WHERE known.claim = $2
        RETURNING key
    ), counted AS (
        INSERT INTO run_batches (run, batch, outcomes)
        SELECT $10::uuid, $11::text, $12::text WHERE (SELECT count(*) FROM written) = (SELECT count(*) FROM settled)
        ON CONFLICT (run, batch) DO UPDATE
            SET outcomes = merge_outcomes(run_batches.outcomes, excluded.outcomes)
    )
    SELECT settled.place FROM settled LEFT JOIN written ON written.key = settled.key
    WHERE written.key IS NULL ORDER BY settled.place";

/// A claim that ran out leaves a doubt as well. The row's lock makes what is seen of it hold.
const RESOLVE: &str = "
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

pub(super) async fn claim(
    connections: &Connections,
    claim: &Claim,
    ttl: Duration,
) -> Result<Vec<ClaimResult>> {
    let keys = keys_of(claim);
    let versions: Vec<_> = claim
        .entries
        .iter()
        .map(|entry| entry.version.order_key())
        .collect();
    let versions: Vec<_> = versions.iter().map(|version| stored(version)).collect();
    let hashes: Vec<&[u8]> = claim
        .entries
        .iter()
        .map(|entry| entry.hash.as_slice())
        .collect();
    let fates: Vec<Option<&[u8]>> = claim
        .entries
        .iter()
        .map(|entry| Some(&entry.fingerprint.as_ref()?.0[..]))
        .collect();
    let (token, seconds, patience) = (
        claim.token.0,
        ttl.as_secs_f64(),
        claim.in_flight_for.as_secs_f64(),
    );
    let parameters = [
        &claim.flow as _,
        &keys as _,
        &versions as _,
        &hashes as _,
        &token as _,
        &seconds as _,
        &claim.same_version_type as _,
        &patience as _,
        &fates as _,
        &claim.latest_only as _,
    ];
    let rows = connections.query(CLAIM, &parameters).await?;
    rows.iter().map(|row| answer(connections, row)).collect()
}

pub(super) async fn renew(connections: &Connections, claim: &Claim, ttl: Duration) -> Result<bool> {
    let (keys, seconds) = (keys_of(claim), ttl.as_secs_f64());
    let renewed = connections
        .execute(RENEW, &[&claim.flow, &claim.token.0, &keys, &seconds])
        .await?;
    Ok(renewed == keys.len() as u64)
}

pub(super) async fn settle(
    connections: &Connections,
    settlement: &BatchSettlement,
) -> Result<Vec<String>> {
    let BatchSettlement {
        flow,
        token,
        entries,
        run,
        batch,
        outcomes,
    } = settlement;
    let columns = Columns::of(entries);
    let rows = connections
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
                &stored(batch),
                &outcomes.mask(),
                &columns.under_way,
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

pub(super) async fn resolve_doubt(
    connections: &Connections,
    flow: &str,
    key: &str,
    id: Option<&str>,
) -> Result<bool> {
    let held = connections
        .query_one(RESOLVE, &[&flow, &stored(key), &id.map(stored)])
        .await?;
    Ok(held.is_none())
}

fn keys_of(claim: &Claim) -> Vec<Cow<'_, str>> {
    claim
        .entries
        .iter()
        .map(|entry| stored(&entry.key))
        .collect()
}

fn answer(connections: &Connections, row: &Row) -> Result<ClaimResult> {
    Ok(match row.get("answer") {
        "act" => ClaimResult::Claimed(known(row)),
        "unknown" => ClaimResult::InDoubt {
            known: known(row),
            attempted: attempted(row),
            still_in_flight: row.get("under_way"),
        },
        "unchanged" => ClaimResult::Unchanged,
        "stale" => ClaimResult::Stale,
        "busy" => ClaimResult::ClaimedElsewhere,
        "mixed" => ClaimResult::VersionTypeMismatch,
        "dead" => ClaimResult::Dead,
        other => return Err(connections.unreadable(format!("the answer '{other}' to a claim"))),
    })
}

fn known(row: &Row) -> KnownRecord {
    let text = |name| row.get::<_, Option<String>>(name).map(restored);
    let incarnation: i64 = row.get("incarnation");
    let incarnation = u32::try_from(incarnation).unwrap_or(u32::MAX);
    KnownRecord {
        id: text("id"),
        etag: text("etag"),
        incarnation,
    }
}

fn attempted(row: &Row) -> Option<ContentHash> {
    row.get::<_, Option<&[u8]>>("attempted")?.try_into().ok()
}

/// The entries of a settlement, column by column.
#[derive(Default)]
struct Columns<'a> {
    keys: Vec<Cow<'a, str>>,
    ids: Vec<Option<Cow<'a, str>>>,
    etags: Vec<Option<Cow<'a, str>>>,
    incarnations: Vec<i64>,
    versions: Vec<Option<String>>,
    hashes: Vec<Option<&'a [u8]>>,
    in_doubt: Vec<bool>,
    under_way: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(entries: &'a [SettledEntry]) -> Columns<'a> {
        let mut columns = Columns::default();
        for SettledEntry {
            key,
            state: settled,
        } in entries
        {
            columns.keys.push(stored(key));
            match settled {
                SettledState::Applied {
                    known,
                    version,
                    hash,
                } => columns.push_applied(known, version, hash),
                SettledState::Released | SettledState::InDoubt | SettledState::StillInFlight => {
                    columns.push_unapplied()
                }
            }
            columns.in_doubt.push(matches!(
                settled,
                SettledState::InDoubt | SettledState::StillInFlight
            ));
            columns
                .under_way
                .push(*settled == SettledState::StillInFlight);
        }
        columns
    }

    fn push_applied(&mut self, known: &'a KnownRecord, version: &Version, hash: &'a ContentHash) {
        self.ids.push(known.id.as_deref().map(stored));
        self.etags.push(known.etag.as_deref().map(stored));
        self.incarnations.push(known.incarnation.into());
        self.versions
            .push(Some(stored(&version.order_key()).into_owned()));
        self.hashes.push(Some(hash));
    }

    fn push_unapplied(&mut self) {
        self.ids.push(None);
        self.etags.push(None);
        self.incarnations.push(0);
        self.versions.push(None);
        self.hashes.push(None);
    }
}
