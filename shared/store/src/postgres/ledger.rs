//! Claims and settlements, in PostgreSQL: each is one statement.
//!
//! Rows are looked up one by one (`LATERAL … LIMIT 1`) and written by `INSERT … ON CONFLICT`: both
//! use the primary key whatever the planner believes about the size of the table. Rows are locked
//! in the order of their keys, so that two batches never wait for each other.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use pomost_models::Version;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    connection::Connections,
    text::{restored, stored},
};
use crate::{
    BatchSettlement, Claim, ClaimResult, KnownRecord, Ledger, Result, SettledEntry, SettledState,
    ledger::ContentHash,
};

#[async_trait]
impl Ledger for PostgresStore {
    async fn claim(&self, claim: &Claim, ttl: Duration) -> Result<Vec<ClaimResult>> {
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
                    &stored(batch),
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
            .query_one(RESOLVE_IN_DOUBT, &[&flow, &stored(key), &id.map(stored)])
            .await?;
        Ok(held.is_none())
    }

    async fn has_applied_records(&self, flow: &str) -> Result<bool> {
        let sql = "SELECT FROM ledger WHERE flow = $1 LIMIT 1";
        Ok(self.connections.query_one(sql, &[&flow]).await?.is_some())
    }
}

/// Decides as [`rules::claim_result`](crate::rules::claim_result).
///
/// The results are decided by the rows as they are when the statement begins; rows that are not to
/// be claimed are never locked. A row is written only if it still is as it was seen: a statement
/// that lost a race answers that the key is claimed elsewhere. Unchanged content may be of a newer
/// version, which is stored, so that older content that comes late is stale. The content that was
/// attempted first stays while the key is in doubt, so that nothing else is created before that is
/// known. A worker that lost its claim may have sent requests as long as the claim lasted. Dead
/// letters are looked for only where the key would be claimed.
const CLAIM: &str = "
    WITH wanted AS (
        SELECT * FROM unnest($2::text[], $3::text[], $4::bytea[], $9::bytea[]) WITH ORDINALITY
            AS wanted (key, version, hash, fate, place)
    ), seen AS MATERIALIZED (
        SELECT wanted.key, wanted.place, wanted.fate, wanted.version AS wanted_version, wanted.hash AS wanted_hash,
            known.version, known.hash,
            CASE
                WHEN known.claim = $5 THEN 'claimed'
                WHEN known.claimed_until > now() THEN 'claimed_elsewhere'
                WHEN $7 AND left(wanted.version, 1) <> left(known.version, 1)
                    AND 'e' NOT IN (left(wanted.version, 1), left(known.version, 1)) THEN 'version_type_mismatch'
                WHEN is_older(wanted.version, known.version) THEN 'stale'
                WHEN known.claim IS NULL AND NOT known.in_doubt AND known.hash = wanted.hash
                    THEN CASE WHEN known.version = wanted.version THEN 'unchanged' ELSE 'newer' END
                WHEN EXISTS (
                    SELECT FROM dead_letters AS dead
                    WHERE dead.flow = $1 AND dead.key = wanted.key AND dead.fate = wanted.fate AND dead.stage = 'load'
                        AND dead.state IN ('open', 'discarded') AND dead.replayed_in IS NULL
                        AND NOT is_older(dead.version, known.version)) THEN 'dead'
                ELSE 'claimed'
            END AS result
        FROM wanted LEFT JOIN LATERAL (
            SELECT * FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key LIMIT 1
        ) AS known ON true
    ), renewed AS (
        UPDATE dead_letters AS dead SET version = seen.wanted_version FROM seen
        WHERE $10 AND seen.result = 'dead'
            AND dead.flow = $1 AND dead.key = seen.key AND dead.fate = seen.fate AND dead.stage = 'load'
            AND dead.state IN ('open', 'discarded') AND dead.replayed_in IS NULL
            AND is_older(dead.version, seen.wanted_version)
    ), written AS (
        INSERT INTO ledger AS known (flow, key, version, hash, claim, claimed_until, attempted)
        SELECT $1, key,
            CASE result WHEN 'newer' THEN wanted_version ELSE version END,
            hash,
            CASE result WHEN 'claimed' THEN $5 END,
            CASE result WHEN 'claimed' THEN now() + make_interval(secs => $6) END,
            CASE result WHEN 'claimed' THEN wanted_hash END
        FROM seen WHERE result IN ('claimed', 'newer') ORDER BY key COLLATE \"C\"
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
            coalesce(asked_at > now() - make_interval(secs => $8), false) AS still_in_flight
    )
    SELECT written.id, written.etag, written.incarnation, written.attempted, written.still_in_flight, CASE
            WHEN seen.result IN ('claimed', 'newer') AND written.key IS NULL THEN 'claimed_elsewhere'
            WHEN seen.result = 'newer' THEN 'unchanged'
            WHEN written.in_doubt THEN 'in_doubt'
            ELSE seen.result
        END AS result
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

/// An entry with a hash was applied, which ends a doubt. An entry without one leaves the known
/// record as it is, and a doubt as well.
const SETTLE: &str = "
    WITH settled AS (
        SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bytea[], $9::boolean[],
            $13::boolean[])
            WITH ORDINALITY AS settled (key, id, etag, incarnation, version, hash, in_doubt, still_in_flight, place)
    ), written AS (
        INSERT INTO ledger AS known (flow, key, id, etag, incarnation, version, hash, in_doubt, asked_at)
        SELECT $1, settled.key, settled.id, settled.etag, settled.incarnation, settled.version, settled.hash,
            settled.in_doubt, CASE WHEN settled.still_in_flight THEN now() END
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
        .map(|entry| stored(&entry.key))
        .collect()
}

fn claim_result(connections: &Connections, row: &Row) -> Result<ClaimResult> {
    Ok(match row.get("result") {
        "claimed" => ClaimResult::Claimed(known(row)),
        "in_doubt" => ClaimResult::InDoubt {
            known: known(row),
            attempted: attempted(row),
            still_in_flight: row.get("still_in_flight"),
        },
        "unchanged" => ClaimResult::Unchanged,
        "stale" => ClaimResult::Stale,
        "claimed_elsewhere" => ClaimResult::ClaimedElsewhere,
        "version_type_mismatch" => ClaimResult::VersionTypeMismatch,
        "dead" => ClaimResult::Dead,
        other => return Err(connections.unreadable(format!("the result '{other}' of a claim"))),
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
struct SettlementColumns<'a> {
    keys: Vec<Cow<'a, str>>,
    ids: Vec<Option<Cow<'a, str>>>,
    etags: Vec<Option<Cow<'a, str>>>,
    incarnations: Vec<i64>,
    versions: Vec<Option<String>>,
    hashes: Vec<Option<&'a [u8]>>,
    in_doubt: Vec<bool>,
    still_in_flight: Vec<bool>,
}

impl<'a> SettlementColumns<'a> {
    fn of(entries: &'a [SettledEntry]) -> SettlementColumns<'a> {
        let mut columns = SettlementColumns::default();
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
                .still_in_flight
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
