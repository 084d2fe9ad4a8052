//! Dead letters, kept whole beside the columns they are searched by.

use pomost_models::DeadLetter;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    connection::Connections,
    text::{restored, stored},
};
use crate::{DeadLetterFilter, Result, dead_letters};

/// Letters of one flow are archived one after the other: who does not see those of others yet would keep a second one
/// of equal fate. Locked in one order, so that nobody waits for each other.
const LOCK: &str = "
    SELECT pg_advisory_xact_lock(hashtextextended('pomost dead letters of ' || current_schema() || '/' || flow, 0))
    FROM (SELECT DISTINCT flow FROM unnest($1::text[]) AS sent (flow) ORDER BY flow) AS flows";

/// A record that is read again makes the letter that stands for it as new as it is, where the newest alone matters.
const RENEW: &str = "
    WITH newest AS (
        SELECT flow, stage, key, fate, max(version COLLATE \"C\") AS version
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::boolean[])
            AS sent (flow, stage, key, version, fate, newest_alone)
        WHERE newest_alone GROUP BY flow, stage, key, fate
    ), equal AS (
        SELECT standing.id, newest.version FROM newest JOIN dead_letters AS standing
            ON standing.flow = newest.flow AND standing.key = newest.key AND standing.fate = newest.fate
                AND standing.stage = newest.stage AND standing.state IN ('open', 'discarded')
                AND standing.replayed_in IS NULL AND is_older(standing.version, newest.version)
        ORDER BY standing.id FOR UPDATE OF standing
    )
    UPDATE dead_letters SET version = equal.version FROM equal WHERE dead_letters.id = equal.id";

/// Of letters of equal fate one is kept: the one that stands, or the newest of them. Nobody waits for the changes of
/// the others but for its.
const ARCHIVE: &str = "
    WITH sent AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
            $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bytea[], $16::boolean[], $17::boolean[])
            AS sent (id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate, newest_alone, is_told)
    ), compared AS (
        SELECT sent.*, EXISTS (SELECT FROM dead_letters AS kept WHERE kept.id = sent.id) AS is_kept, EXISTS (
            SELECT FROM dead_letters AS other
            WHERE other.flow = sent.flow AND other.key = sent.key AND other.fate = sent.fate AND other.stage = sent.stage
                AND other.state IN ('open', 'discarded') AND other.replayed_in IS NULL
                AND (other.state = 'open' OR NOT sent.is_told)) AS has_equal
        FROM sent
    ), letters AS MATERIALIZED (
        SELECT *, is_kept OR fate IS NULL OR NOT has_equal AND 1 = row_number() OVER (
            PARTITION BY flow, stage, key, fate, is_kept ORDER BY version COLLATE \"C\" DESC, id) AS stays
        FROM compared
    ), died AS (
        SELECT changes.flow, changes.key, changes.version, letters.stays FROM letters JOIN changes
            ON changes.flow = letters.flow AND changes.key = letters.key AND changes.version = letters.version
        ORDER BY changes.flow, changes.key, changes.version FOR UPDATE OF changes
    ), noted AS (
        UPDATE changes SET dead = true FROM died
        WHERE died.stays
            AND changes.flow = died.flow AND changes.key = died.key AND changes.version = died.version
    ), settled AS (
        DELETE FROM changes USING died
        WHERE NOT died.stays
            AND changes.flow = died.flow AND changes.key = died.key AND changes.version = died.version
    ), counted AS (
        INSERT INTO run_batches (run, batch, outcomes)
        SELECT * FROM unnest($8::uuid[], $9::text[], $10::text[]) AS dead (run, batch, outcomes) ORDER BY run, batch
        ON CONFLICT (run, batch) DO UPDATE SET outcomes = merge_outcomes(run_batches.outcomes, excluded.outcomes)
    ), older AS (
        SELECT dead_letters.id FROM letters JOIN dead_letters
            ON dead_letters.flow = letters.flow AND dead_letters.key = letters.key AND letters.key <> ''
                AND dead_letters.state IN ('open', 'discarded') AND dead_letters.replayed_in IS NULL
                AND is_older(dead_letters.version, letters.version)
                AND (dead_letters.reason <> 'in_doubt' OR letters.reason = 'in_doubt')
        WHERE letters.newest_alone AND letters.stays AND NOT letters.is_kept
        ORDER BY dead_letters.id FOR UPDATE OF dead_letters
    ), outdated AS (
        UPDATE dead_letters SET state = 'superseded' FROM older WHERE dead_letters.id = older.id
    ), older_sent AS (
        SELECT letters.id FROM letters JOIN letters AS newer
            ON newer.flow = letters.flow AND newer.key = letters.key AND letters.key <> ''
                AND is_older(letters.version, newer.version)
                AND (letters.reason <> 'in_doubt' OR newer.reason = 'in_doubt')
        WHERE newer.newest_alone AND newer.stays AND NOT newer.is_kept
    )
    INSERT INTO dead_letters (id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate, state)
    SELECT id, flow, run, stage, reason, died_at, letter, batch, slot, key, version, fate,
        CASE WHEN id IN (SELECT id FROM older_sent) THEN 'superseded' ELSE 'open' END
    FROM letters WHERE stays ORDER BY id
    ON CONFLICT (id) DO NOTHING";

const LIST: &str = "
    SELECT id, letter, version FROM dead_letters
    WHERE ($1::text IS NULL OR starts_with(id, $1)) AND ($8 OR state = 'open')
        AND ($2::text IS NULL OR flow = $2) AND ($3::text IS NULL OR stage = $3)
        AND ($4::text IS NULL OR reason = $4) AND ($5::uuid IS NULL OR run = $5)
        AND ($9::uuid IS NULL OR replayed_in = $9)
        AND ($6::text IS NULL OR (died_at, id) > (SELECT died_at, id FROM dead_letters WHERE id = $6))
    ORDER BY died_at, id LIMIT $7";

const DISCARD: &str = "
    WITH discarded AS (
        UPDATE dead_letters SET state = 'discarded', replayed_in = NULL
        WHERE id = ANY($1::text[]) AND state = 'open'
        RETURNING flow, key, version
    ), settled AS (
        DELETE FROM changes USING discarded
        WHERE changes.flow = discarded.flow AND changes.key = discarded.key AND changes.version = discarded.version
    )
    SELECT count(*) FROM discarded";

pub(super) async fn archive(connections: &Connections, letters: &[DeadLetter]) -> Result<()> {
    let column = |of: fn(&DeadLetter) -> &str| {
        letters
            .iter()
            .map(|letter| stored(of(letter)))
            .collect::<Vec<_>>()
    };
    let runs: Vec<Uuid> = letters.iter().map(|letter| letter.run.0).collect();
    let times: Vec<_> = letters.iter().map(|letter| letter.died_at).collect();
    let texts = letters
        .iter()
        .map(dead_letters::to_text)
        .collect::<Result<Vec<_>>>()?;
    let slots = dead_letters::slots(letters);
    let slot_runs: Vec<Uuid> = slots.keys().map(|(run, _)| run.0).collect();
    let slot_batches: Vec<_> = slots.keys().map(|(_, batch)| stored(batch)).collect();
    let slot_masks: Vec<&str> = slots.values().map(|outcomes| outcomes.mask()).collect();
    let of_record = letters.iter().map(|letter| letter.record.as_ref());
    let record_slots: Vec<Option<i64>> = of_record
        .clone()
        .map(|record| Some(record?.slot.into()))
        .collect();
    let keys: Vec<_> = of_record
        .clone()
        .map(|record| Some(stored(&record?.key)))
        .collect();
    let versions: Vec<Option<String>> = of_record
        .map(|record| Some(stored(&record?.version.order_key()).into_owned()))
        .collect();
    let fates: Vec<Option<Vec<u8>>> = letters
        .iter()
        .map(|letter| Some(letter.fingerprint()?.0.to_vec()))
        .collect();
    let newest_alone: Vec<bool> = letters.iter().map(|letter| letter.latest_only).collect();
    let are_told: Vec<bool> = letters.iter().map(DeadLetter::awaits_fetch).collect();
    let (flows, stages) = (
        column(|letter| &letter.flow),
        column(|letter| letter.stage.as_str()),
    );
    let parameters: [&(dyn ToSql + Sync); 17] = [
        &column(|letter| &letter.id),
        &flows,
        &runs,
        &stages,
        &column(|letter| letter.reason.as_str()),
        &times,
        &texts,
        &slot_runs,
        &slot_batches,
        &slot_masks,
        &column(|letter| &letter.batch),
        &record_slots,
        &keys,
        &versions,
        &fates,
        &newest_alone,
        &are_told,
    ];
    let renewed: [&(dyn ToSql + Sync); 6] =
        [&flows, &stages, &keys, &versions, &fates, &newest_alone];
    connections
        .execute_together(&[(LOCK, &[&flows]), (RENEW, &renewed), (ARCHIVE, &parameters)])
        .await
}

pub(super) async fn list(
    connections: &Connections,
    filter: &DeadLetterFilter,
) -> Result<Vec<DeadLetter>> {
    let parameters: [&(dyn ToSql + Sync); 9] = [
        &filter.id.as_deref().map(stored),
        &filter.flow.as_deref().map(stored),
        &filter.stage.map(|stage| stage.as_str()),
        &filter.reason.map(|reason| reason.as_str()),
        &filter.run.map(|run| run.0),
        &filter.after.as_deref().map(stored),
        &i64::from(filter.limit),
        &filter.include_closed,
        &filter.replayed_in.map(|run| run.0),
    ];
    let rows = connections.query(LIST, &parameters).await?;
    let version = |row: &Row| {
        row.get::<_, Option<&str>>(2)
            .map(|version| restored(version.to_owned()))
    };
    let letter =
        |row: &Row| dead_letters::from_text(row.get(0), row.get(1), version(row).as_deref());
    rows.iter().map(letter).collect()
}

pub(super) async fn discard(connections: &Connections, ids: &[String]) -> Result<u64> {
    let row = connections.query_one(DISCARD, &[&ids]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}
