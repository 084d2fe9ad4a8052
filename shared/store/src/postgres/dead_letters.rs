//! Dead letters, in PostgreSQL: kept whole, beside the columns that they are found by.

mod archive;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use pomost_models::DeadLetter;
use tokio_postgres::{Row, types::ToSql};

use super::{
    PostgresStore,
    connection::Parameters,
    text::{escaped, unescaped},
};
use crate::{DeadLetterFilter, DeadLetters, Result, dead_letters};
use archive::{ARCHIVE, LOCK, LetterColumns, RENEW};

#[async_trait]
impl DeadLetters for PostgresStore {
    async fn archive_dead_letters(&self, letters: &[DeadLetter]) -> Result<()> {
        let columns = LetterColumns::of(letters)?;
        let (renewal, archiving) = (columns.renewal(), columns.archiving());
        let statements: [(&str, Parameters<'_>); 3] = [
            (LOCK, &[&columns.flows]),
            (RENEW, &renewal),
            (ARCHIVE, &archiving),
        ];
        self.connections.execute_together(&statements).await
    }

    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>> {
        let parameters: [&(dyn ToSql + Sync); 9] = [
            &filter.id.as_deref().map(escaped),
            &filter.flow.as_deref().map(escaped),
            &filter.stage.map(|stage| stage.as_str()),
            &filter.reason.map(|reason| reason.as_str()),
            &filter.run.map(|run| run.0),
            &filter.after.as_deref().map(escaped),
            &i64::from(filter.limit),
            &filter.include_closed,
            &filter.replayed_in.map(|run| run.0),
        ];
        let rows = self.connections.query(LIST, &parameters).await?;
        let version = |row: &Row| {
            row.get::<_, Option<&str>>(2)
                .map(|version| unescaped(version.to_owned()))
        };
        let letter =
            |row: &Row| dead_letters::from_text(row.get(0), row.get(1), version(row).as_deref());
        rows.iter().map(letter).collect()
    }

    async fn supersede_dead_letters(&self, flow: &str, keys: &[&str]) -> Result<u64> {
        let keys: Vec<_> = keys.iter().map(|key| escaped(key)).collect();
        let row = self
            .connections
            .query_one(SUPERSEDE, &[&flow, &keys])
            .await?;
        Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    async fn discard_dead_letters(&self, ids: &[String]) -> Result<u64> {
        let row = self.connections.query_one(DISCARD, &[&ids]).await?;
        Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    async fn count_dead_letters(&self, since: Timestamp) -> Result<BTreeMap<String, u64>> {
        let sql = "
            SELECT flow, count(*) FROM dead_letters WHERE state = 'open' AND died_at >= $1 GROUP BY flow";
        let rows = self.connections.query(sql, &[&since]).await?;
        let count =
            |row: tokio_postgres::Row| (unescaped(row.get(0)), row.get::<_, i64>(1).unsigned_abs());
        Ok(rows.into_iter().map(count).collect())
    }
}

const LIST: &str = "
    SELECT id, letter, version FROM dead_letters
    WHERE ($1::text IS NULL OR starts_with(id, $1)) AND ($8 OR state = 'open')
        AND ($2::text IS NULL OR flow = $2) AND ($3::text IS NULL OR stage = $3)
        AND ($4::text IS NULL OR reason = $4) AND ($5::uuid IS NULL OR run = $5)
        AND ($9::uuid IS NULL OR replayed_in = $9)
        AND ($6::text IS NULL OR (died_at, id) > (SELECT died_at, id FROM dead_letters WHERE id = $6))
    ORDER BY died_at, id LIMIT $7";

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
