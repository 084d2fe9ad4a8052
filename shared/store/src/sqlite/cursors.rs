//! Cursors, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction};

use super::SqliteStore;
use crate::{Cursors, Result, cursors::SET_DURING_RUN};

#[async_trait]
impl Cursors for SqliteStore {
    async fn cursor(&self, flow: &str) -> Result<Option<String>> {
        let flow = flow.to_owned();
        let sql = "SELECT value FROM cursors WHERE flow = ?1";
        self.read(move |connection| {
            connection
                .query_row(sql, [flow], |row| row.get(0))
                .optional()
        })
        .await
    }

    async fn set_cursor(&self, flow: &str, value: Option<&str>) -> Result<()> {
        let (flow, value) = (flow.to_owned(), value.map(str::to_owned));
        self.write(move |transaction| {
            set(transaction, &flow, value.as_deref())?;
            keep_from_moving(transaction, &flow)
        })
        .await
    }
}

/// Warns the runs of a flow that are not read to their end, which keeps them from moving the cursor.
fn keep_from_moving(transaction: &Transaction<'_>, flow: &str) -> rusqlite::Result<()> {
    let sql = r#"
        UPDATE runs SET warning = ?2
        WHERE flow = ?1 AND extracted_at IS NULL AND "trigger" NOT IN ('webhook', 'replay')"#;
    transaction.execute(sql, (flow, SET_DURING_RUN)).map(drop)
}

/// Sets or removes the cursor of a flow.
pub(super) fn set(
    transaction: &Transaction<'_>,
    flow: &str,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => transaction.execute(
            "INSERT OR REPLACE INTO cursors VALUES (?1, ?2)",
            (flow, value),
        ),
        None => transaction.execute("DELETE FROM cursors WHERE flow = ?1", [flow]),
    }
    .map(drop)
}
