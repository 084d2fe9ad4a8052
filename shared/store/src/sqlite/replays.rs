//! Replays of dead letters, in SQLite.

use async_trait::async_trait;
use pomost_models::RunId;
use rusqlite::{Row, types::Type};

use super::{SqliteStore, runs, values};
use crate::{Replay, Replays, Result};

#[async_trait]
impl Replays for SqliteStore {
    async fn begin_replay(&self, replay: &Replay, letters: &[String]) -> Result<u64> {
        let (replay, letters) = (replay.clone(), letters.to_owned());
        self.write(move |transaction| {
            let run = replay.run.to_string();
            let mut assign = transaction.prepare_cached(ASSIGN_LETTER)?;
            let assigned: usize = letters
                .iter()
                .map(|id| assign.execute((id, &run)))
                .sum::<rusqlite::Result<_>>()?;
            if assigned > 0 {
                let run = (&run, &replay.flow, replay.since(), values::now());
                transaction.execute(CREATE_RUN, run)?;
            }
            Ok(assigned as u64)
        })
        .await
    }

    async fn unfinished_replays(&self) -> Result<Vec<Replay>> {
        self.read(|connection| {
            connection
                .prepare_cached(UNFINISHED)?
                .query_map([], replay)?
                .collect()
        })
        .await
    }

    async fn end_replay(
        &self,
        run: RunId,
        batches: &[(String, u32)],
        sent: &[String],
    ) -> Result<()> {
        let (batches, sent) = (batches.to_owned(), sent.to_owned());
        self.write(move |transaction| {
            if runs::end(transaction, run, None)?.is_none() {
                return Ok(());
            }
            let name = run.to_string();
            let mut close = transaction.prepare_cached(CLOSE_LETTER)?;
            sent.iter()
                .try_for_each(|id| close.execute((id, &name)).map(drop))?;
            transaction.execute(RELEASE_LETTERS, [&name])?;
            runs::add_batches(transaction, run, &batches)
        })
        .await
    }
}

const ASSIGN_LETTER: &str = "
    UPDATE dead_letters SET replayed_in = ?2
    WHERE id = ?1 AND state = 'open' AND (replayed_in IS NULL OR replayed_in = ?2)";

const CREATE_RUN: &str = r#"
    INSERT INTO runs (id, flow, "trigger", since, requested_at) VALUES (?1, ?2, 'replay', ?3, ?4)
    ON CONFLICT (id) DO NOTHING"#;

const UNFINISHED: &str = r#"
    SELECT id, flow, since FROM runs
    WHERE extracted_at IS NULL AND "trigger" = 'replay' AND since IS NOT NULL ORDER BY id"#;

const CLOSE_LETTER: &str = "UPDATE dead_letters SET state = 'replayed' WHERE id = ?1 AND replayed_in = ?2 AND state = 'open'";

const RELEASE_LETTERS: &str =
    "UPDATE dead_letters SET replayed_in = NULL WHERE replayed_in = ?1 AND state = 'open'";

fn replay(row: &Row<'_>) -> rusqlite::Result<Replay> {
    let run = values::run_id(0, &row.get::<_, String>(0)?)?;
    let since: String = row.get(2)?;
    Replay::from_run(run, row.get(1)?, &since)
        .map_err(|_| values::unreadable(2, Type::Text, "the stage of a replay"))
}
