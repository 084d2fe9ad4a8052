//! Dead letters on their way back to a stage. The stage stands in the run's `since`: it is where the
//! run begins.

use std::sync::LazyLock;

use pomost_models::RunId;
use tokio_postgres::Row;

use super::{
    connection::Connections,
    runs::{MERGE, waiting},
};
use crate::{Replay, Result};

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

const BEGUN: &str = "
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

pub(super) async fn begin(
    connections: &Connections,
    replay: &Replay,
    letters: &[String],
) -> Result<u64> {
    let Replay { run, flow, stage } = replay;
    let row = connections
        .query_one(BEGIN, &[&run.0, flow, &stage.as_str(), &letters])
        .await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}

pub(super) async fn begun(connections: &Connections) -> Result<Vec<Replay>> {
    let rows = connections.query(BEGUN, &[]).await?;
    rows.iter().map(|row| replay(connections, row)).collect()
}

pub(super) async fn end(
    connections: &Connections,
    run: RunId,
    batches: &[(String, u32)],
    sent: &[String],
) -> Result<()> {
    let (batches, masks) = waiting(batches);
    connections
        .execute(&END, &[&run.0, &batches, &masks, &sent])
        .await
        .map(drop)
}

fn replay(connections: &Connections, row: &Row) -> Result<Replay> {
    let (run, stage) = (RunId(row.get(0)), row.get::<_, &str>(2));
    let stage = stage
        .parse()
        .map_err(|_| connections.unreadable(format!("the stage '{stage}' of replay {run}")))?;
    Ok(Replay {
        run,
        flow: row.get(1),
        stage,
    })
}
