//! The changes of flows that apply every one of them, and the records that wait for earlier ones.

use std::{borrow::Cow, sync::LazyLock, time::Duration};

use pomost_models::{AttemptFingerprint, Batch, Record};
use uuid::Uuid;

use super::{connection::Connections, text::stored};
use crate::{
    ClaimToken, Result,
    changes::{self, ParkedClaim},
};

/// Statements that write the same changes lock them in the same order. What was read later than what is noted
/// now stays: whoever read it has succeeded whoever notes this.
const EXPECT: &str = "
    WITH expected AS (
        SELECT DISTINCT ON (key, version) batch, key, version
        FROM unnest($3::text[], $4::text[], $5::text[]) AS expected (batch, key, version)
        ORDER BY key, version
    ), forgotten AS (
        DELETE FROM changes
        WHERE run = $2 AND batch = ANY ($3::text[]) AND NOT confirmed AND NOT dead AND NOT EXISTS (
            SELECT FROM expected WHERE expected.key = changes.key AND expected.version = changes.version)
            AND extraction(version) COLLATE \"C\" <= (SELECT max(extraction(version) COLLATE \"C\") FROM expected)
    )
    INSERT INTO changes (flow, key, version, run, batch)
    SELECT $1, key, version, $2, batch FROM expected ORDER BY key COLLATE \"C\", version COLLATE \"C\"
    ON CONFLICT (flow, key, version) DO UPDATE
        SET run = excluded.run, batch = excluded.batch, expected_at = excluded.expected_at, dead = false";

/// A change that somebody has locked is being settled already, or noted anew.
const CONFIRM: &str = "
    WITH noted AS (
        SELECT changes.key, changes.version FROM unnest($2::text[], $3::text[]) AS published (key, version)
        JOIN changes ON changes.flow = $1 AND changes.key = published.key AND changes.version = published.version
        FOR UPDATE OF changes SKIP LOCKED
    )
    UPDATE changes SET confirmed = true FROM noted
    WHERE flow = $1 AND changes.key = noted.key AND changes.version = noted.version";

const BEHIND: &str = "
    SELECT EXISTS (
        SELECT FROM changes WHERE flow = $1 AND changes.key = wanted.key AND waits_for(wanted.version, changes.version)
    ) AND NOT EXISTS (
        SELECT FROM dead_letters AS dead
        WHERE dead.flow = $1 AND dead.key = wanted.key AND dead.fate = wanted.fate AND dead.stage = 'load'
            AND dead.state IN ('open', 'discarded') AND dead.replayed_in IS NULL
            AND NOT is_older(dead.version, (
                SELECT version FROM ledger WHERE ledger.flow = $1 AND ledger.key = wanted.key LIMIT 1))
    )
    FROM unnest($2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS wanted (key, version, fate, place)
    ORDER BY place";

/// A change that died stays noted as long as its letter is open: its message may come again when the letter is kept.
const SETTLE: &str = "
    WITH settled AS (
        SELECT changes.key, changes.version FROM unnest($2::text[], $3::text[]) AS settled (key, version)
        JOIN changes ON changes.flow = $1 AND changes.key = settled.key AND changes.version = settled.version
        ORDER BY changes.key, changes.version FOR UPDATE OF changes
    )
    DELETE FROM changes USING settled
    WHERE flow = $1 AND changes.key = settled.key AND changes.version = settled.version AND NOT (changes.dead AND EXISTS (
        SELECT FROM dead_letters AS standing
        WHERE standing.flow = $1 AND standing.key = settled.key AND standing.version = settled.version
            AND standing.state = 'open' AND standing.replayed_in IS NULL))";

/// A page that is read again has another record in each slot, and each settles the change that was noted of it.
const PARK: &str = "
    INSERT INTO parked (run, batch, slot, flow, key, version, message)
    SELECT $1, $2, slot, $3, key, version, message
    FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[]) AS parked (slot, key, version, message)
    ON CONFLICT (run, batch, slot, version) DO UPDATE
        SET key = excluded.key, message = excluded.message, taken_by = NULL, taken_until = NULL";

/// With a condition on the keys in question.
fn take_sql(which: &str) -> String {
    format!(
        "WITH free AS (
            SELECT run, batch, slot, version FROM parked
            WHERE flow = $1 AND {which} AND (taken_until IS NULL OR taken_until <= now()) AND NOT EXISTS (
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

static TAKE: LazyLock<String> = LazyLock::new(|| take_sql("true"));
static TAKE_OF_KEYS: LazyLock<String> = LazyLock::new(|| take_sql("key = ANY ($5::text[])"));

/// What was parked again meanwhile, or taken by somebody else, stays.
const UNPARK: &str = "
    DELETE FROM parked
    USING unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[]) AS released (run, batch, slot, version)
    WHERE parked.run = released.run AND parked.batch = released.batch AND parked.slot = released.slot
        AND parked.version = released.version AND taken_by = $1";

const SUPERSEDE: &str = "
    WITH closed AS (
        UPDATE dead_letters SET state = 'superseded'
        FROM unnest($2::text[]) AS applied (key), LATERAL (
            SELECT id, state FROM dead_letters AS older, LATERAL (
                SELECT version FROM ledger WHERE ledger.flow = $1 AND ledger.key = applied.key LIMIT 1
            ) AS known
            WHERE older.flow = $1 AND older.key = applied.key
                AND older.state IN ('open', 'discarded') AND older.replayed_in IS NULL AND is_older(older.version, known.version)
        ) AS older
        WHERE dead_letters.id = older.id
        RETURNING run, batch, slot, dead_letters.key, dead_letters.version, older.state = 'open' AS was_open
    ), outdated AS (
        SELECT changes.key, changes.version FROM closed
        JOIN changes ON changes.flow = $1 AND changes.key = closed.key AND changes.version = closed.version
        ORDER BY changes.key, changes.version FOR UPDATE OF changes
    ), settled AS (
        DELETE FROM changes USING outdated
        WHERE flow = $1 AND changes.key = outdated.key AND changes.version = outdated.version
    ), slots AS (
        SELECT run, batch, array_agg(slot) AS slots FROM closed WHERE was_open GROUP BY run, batch
    ), held AS (
        SELECT slots.* FROM slots JOIN run_batches ON run_batches.run = slots.run AND run_batches.batch = slots.batch
        ORDER BY run_batches.run, run_batches.batch FOR UPDATE OF run_batches
    ), counted AS (
        UPDATE run_batches SET outcomes = stale_instead_of_dead(outcomes, slots) FROM held
        WHERE run_batches.run = held.run AND run_batches.batch = held.batch
    )
    SELECT count(*) FROM closed";

pub(super) async fn expect(connections: &Connections, batches: &[&Batch]) -> Result<()> {
    let Some(first) = batches.first() else {
        return Ok(());
    };
    let records = || {
        batches
            .iter()
            .flat_map(|batch| batch.records.iter().map(move |record| (*batch, record)))
    };
    let of: Vec<_> = records().map(|(batch, _)| stored(&batch.id)).collect();
    let (keys, versions) = columns(records().map(|(_, record)| record));
    let (flow, run) = (&first.flow, first.run.0);
    connections
        .execute(EXPECT, &[flow, &run, &of, &keys, &versions])
        .await
        .map(drop)
}

pub(super) async fn confirm(connections: &Connections, batches: &[&Batch]) -> Result<()> {
    let Some(first) = batches.first() else {
        return Ok(());
    };
    let (keys, versions) = columns(batches.iter().flat_map(|batch| &batch.records));
    connections
        .execute(CONFIRM, &[&first.flow, &keys, &versions])
        .await
        .map(drop)
}

pub(super) async fn give_up(
    connections: &Connections,
    flow: &str,
    patience: Duration,
) -> Result<()> {
    let sql = "
        DELETE FROM changes
        WHERE flow = $1 AND NOT confirmed AND NOT dead AND expected_at <= now() - make_interval(secs => $2)";
    connections
        .execute(sql, &[&flow, &patience.as_secs_f64()])
        .await
        .map(drop)
}

pub(super) async fn forget(connections: &Connections, flow: &str) -> Result<()> {
    connections
        .execute("DELETE FROM changes WHERE flow = $1", &[&flow])
        .await
        .map(drop)
}

pub(super) async fn behind(
    connections: &Connections,
    batch: &Batch,
    fates: &[Option<AttemptFingerprint>],
) -> Result<Vec<bool>> {
    let (keys, versions) = columns(&batch.records);
    let fates: Vec<Option<&[u8]>> = fates
        .iter()
        .map(|fate| Some(&fate.as_ref()?.0[..]))
        .collect();
    let rows = connections
        .query(BEHIND, &[&batch.flow, &keys, &versions, &fates])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn settle(connections: &Connections, batch: &Batch) -> Result<()> {
    let (keys, versions) = columns(&batch.records);
    connections
        .execute(SETTLE, &[&batch.flow, &keys, &versions])
        .await
        .map(drop)
}

pub(super) async fn park(connections: &Connections, batch: &Batch) -> Result<()> {
    let (keys, versions) = columns(&batch.records);
    let slots: Vec<i64> = batch
        .records
        .iter()
        .map(|record| record.slot.into())
        .collect();
    let messages: Vec<String> = batch
        .records
        .iter()
        .map(|record| changes::message(batch, record))
        .collect();
    let (run, id) = (batch.run.0, stored(&batch.id));
    connections
        .execute(
            PARK,
            &[&run, &id, &batch.flow, &slots, &keys, &versions, &messages],
        )
        .await
        .map(drop)
}

pub(super) async fn take(
    connections: &Connections,
    flow: &str,
    keys: Option<&[&str]>,
    taking: ParkedClaim,
) -> Result<Vec<Batch>> {
    let (taker, seconds, limit) = (
        taking.token.0,
        taking.ttl.as_secs_f64(),
        i64::from(taking.limit),
    );
    let rows = match keys {
        None => {
            connections
                .query(&TAKE, &[&flow, &taker, &seconds, &limit])
                .await?
        }
        Some(keys) => {
            let keys: Vec<_> = keys.iter().map(|key| stored(key)).collect();
            connections
                .query(&TAKE_OF_KEYS, &[&flow, &taker, &seconds, &limit, &keys])
                .await?
        }
    };
    rows.iter()
        .map(|row| changes::from_message(row.get(0)))
        .collect()
}

pub(super) async fn give_back(
    connections: &Connections,
    flow: &str,
    taker: ClaimToken,
) -> Result<()> {
    let sql =
        "UPDATE parked SET taken_by = NULL, taken_until = NULL WHERE flow = $1 AND taken_by = $2";
    connections.execute(sql, &[&flow, &taker.0]).await.map(drop)
}

pub(super) async fn unpark(
    connections: &Connections,
    taker: ClaimToken,
    batches: &[Batch],
) -> Result<()> {
    let records = || {
        batches
            .iter()
            .flat_map(|batch| batch.records.iter().map(move |record| (batch, record)))
    };
    let runs: Vec<Uuid> = records().map(|(batch, _)| batch.run.0).collect();
    let ids: Vec<_> = records().map(|(batch, _)| stored(&batch.id)).collect();
    let slots: Vec<i64> = records().map(|(_, record)| record.slot.into()).collect();
    let (_, versions) = columns(records().map(|(_, record)| record));
    connections
        .execute(UNPARK, &[&taker.0, &runs, &ids, &slots, &versions])
        .await
        .map(drop)
}

pub(super) async fn supersede(connections: &Connections, flow: &str, keys: &[&str]) -> Result<u64> {
    let keys: Vec<_> = keys.iter().map(|key| stored(key)).collect();
    let row = connections.query_one(SUPERSEDE, &[&flow, &keys]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}

fn columns<'r>(records: impl IntoIterator<Item = &'r Record>) -> (Vec<Cow<'r, str>>, Vec<String>) {
    let of = |record: &'r Record| {
        (
            stored(&record.key),
            stored(&record.version.order_key()).into_owned(),
        )
    };
    records.into_iter().map(of).unzip()
}
