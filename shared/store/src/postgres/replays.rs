//! Replays of dead letters, in PostgreSQL.

use std::sync::LazyLock;

use async_trait::async_trait;
use pomost_models::RunId;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    connection::Connections,
    runs::{MERGE, waiting_masks},
};
use crate::{Replay, Replays, Result};

#[async_trait]
impl Replays for PostgresStore {
    async fn begin_replay(&self, replay: &Replay, letters: &[String]) -> Result<u64> {
        let Replay { run, flow, .. } = replay;
        let row = self
            .connections
            .query_one(BEGIN, &[&run.0, flow, &replay.since(), &letters])
            .await?;
        Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    async fn unfinished_replays(&self) -> Result<Vec<Replay>> {
        let rows = self.connections.query(UNFINISHED, &[]).await?;
        rows.iter()
            .map(|row| replay(&self.connections, row))
            .collect()
    }

    async fn end_replay(
        &self,
        run: RunId,
        batches: &[(String, u32)],
        sent: &[String],
    ) -> Result<()> {
        let (batches, masks) = waiting_masks(batches);
        self.connections
            .execute(&END, &[&run.0, &batches, &masks, &sent])
            .await
            .map(drop)
    }
}

const BEGIN: &str = "
    WITH taken AS (
        UPDATE dead_letters SET replayed_in = $1
        WHERE id = ANY($4::text[]) AND state = 'open' AND (replayed_in IS NULL OR replayed_in = $1)
        RETURNING id
    ), wanted AS (
        INSERT INTO runs (id, flow, trigger, since) SELECT $1, $2, 'replay', $3 WHERE EXISTS (SELECT FROM taken)
        ON CONFLICT (id) DO NOTHING
    )
    SELECT count(*) FROM taken";

const UNFINISHED: &str = "
    SELECT id, flow, since FROM runs
    WHERE extracted_at IS NULL AND trigger = 'replay' AND since IS NOT NULL ORDER BY id";

static END: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH ended AS (
            UPDATE runs SET extracted_at = now() WHERE id = $1 AND extracted_at IS NULL RETURNING id
        ), closed AS (
            UPDATE dead_letters SET
                state = CASE WHEN id = ANY($4::text[]) THEN 'replayed' ELSE state END,
                replayed_in = CASE WHEN id = ANY($4::text[]) THEN replayed_in END
            WHERE replayed_in = $1 AND state = 'open' AND EXISTS (SELECT FROM ended)
        ), batches AS (
            SELECT ended.id AS run, batch, outcomes
            FROM ended, unnest($2::text[], $3::text[]) AS batches (batch, outcomes)
        )
        {MERGE}"
    )
});

fn replay(connections: &Connections, row: &Row) -> Result<Replay> {
    let (run, since) = (RunId(row.get(0)), row.get::<_, &str>(2));
    Replay::from_run(run, row.get(1), since)
        .map_err(|_| connections.unreadable(format!("the stage '{since}' of replay {run}")))
}
