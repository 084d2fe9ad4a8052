//! Dead letters on their way back to a stage. The stage stands in the run's `since`: it is where the
//! run begins.

use pomost_models::RunId;
use pomost_sqlite::Database;
use rusqlite::Row;

use super::{runs, values};
use crate::{Replay, Result};

const TAKE: &str = "
    UPDATE dead_letters SET replayed_in = ?2
    WHERE id = ?1 AND state = 'open' AND (replayed_in IS NULL OR replayed_in = ?2)";

const WANT: &str = r#"
    INSERT INTO runs (id, flow, "trigger", since, requested_at) VALUES (?1, ?2, 'replay', ?3, ?4)
    ON CONFLICT (id) DO NOTHING"#;

const BEGUN: &str = r#"
    SELECT id, flow, since FROM runs
    WHERE extracted_at IS NULL AND "trigger" = 'replay' AND since IS NOT NULL ORDER BY id"#;

const CLOSE: &str = "UPDATE dead_letters SET state = 'replayed' WHERE id = ?1 AND replayed_in = ?2 AND state = 'open'";

const FREE: &str =
    "UPDATE dead_letters SET replayed_in = NULL WHERE replayed_in = ?1 AND state = 'open'";

pub(super) async fn begin(database: &Database, replay: &Replay, letters: &[String]) -> Result<u64> {
    let (Replay { run, flow, stage }, letters) = (replay.clone(), letters.to_owned());
    let begun = database.write(move |transaction| {
        let run = run.to_string();
        let mut take = transaction.prepare_cached(TAKE)?;
        let taken: usize = letters
            .iter()
            .map(|id| take.execute((id, &run)))
            .sum::<rusqlite::Result<_>>()?;
        if taken > 0 {
            transaction.execute(WANT, (&run, flow, stage.as_str(), values::now()))?;
        }
        Ok(taken as u64)
    });
    Ok(begun.await?)
}

pub(super) async fn begun(database: &Database) -> Result<Vec<Replay>> {
    let begun = database.read(|connection| {
        connection
            .prepare_cached(BEGUN)?
            .query_map([], replay)?
            .collect()
    });
    Ok(begun.await?)
}

pub(super) async fn end(
    database: &Database,
    run: RunId,
    batches: &[(String, u32)],
    sent: &[String],
) -> Result<()> {
    let (batches, sent) = (batches.to_owned(), sent.to_owned());
    let ended = database.write(move |transaction| {
        if runs::end(transaction, run, None)?.is_none() {
            return Ok(());
        }
        let name = run.to_string();
        let mut close = transaction.prepare_cached(CLOSE)?;
        sent.iter()
            .try_for_each(|id| close.execute((id, &name)).map(drop))?;
        transaction.execute(FREE, [&name])?;
        runs::add_batches(transaction, run, &batches)
    });
    Ok(ended.await?)
}

fn replay(row: &Row<'_>) -> rusqlite::Result<Replay> {
    Ok(Replay {
        run: values::run_id(0, &row.get::<_, String>(0)?)?,
        flow: row.get(1)?,
        stage: values::stage(2, &row.get::<_, String>(2)?)?,
    })
}
