//! The statement that claims keys, and its results.

use tokio_postgres::Row;

use crate::{
    ClaimResult, KnownRecord, Result,
    ledger::ContentHash,
    postgres::{connection::Connections, text::unescaped},
};

/// Decides as [`rules::claim_result`](crate::rules::claim_result).
///
/// The results are decided by the rows as they are when the statement begins; rows that are not to
/// be claimed are never locked. A row is written only if it still is as it was seen: a statement
/// that lost a race answers that the key is claimed elsewhere. Unchanged content may be of a newer
/// version, which is stored, so that older content that comes late is stale. The content that was
/// attempted first stays while the key is in doubt, so that nothing else is created before that is
/// known. A worker that lost its claim may have sent requests as long as the claim lasted. Dead
/// letters are looked for only where the key would be claimed.
pub(super) const CLAIM: &str = "
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

/// The result in a row of [`CLAIM`].
pub(super) fn claim_result(connections: &Connections, row: &Row) -> Result<ClaimResult> {
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
    let text = |name| row.get::<_, Option<String>>(name).map(unescaped);
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
