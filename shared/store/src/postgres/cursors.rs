//! Cursors, in PostgreSQL.

use async_trait::async_trait;

use super::{
    PostgresStore,
    text::{escaped, unescaped},
};
use crate::{Cursors, Result, cursors::SET_DURING_RUN};

#[async_trait]
impl Cursors for PostgresStore {
    async fn cursor(&self, flow: &str) -> Result<Option<String>> {
        let row = self
            .connections
            .query_one("SELECT value FROM cursors WHERE flow = $1", &[&flow])
            .await?;
        Ok(row.map(|row| unescaped(row.get(0))))
    }

    async fn set_cursor(&self, flow: &str, value: Option<&str>) -> Result<()> {
        // The runs come first, as in the statement that ends one: otherwise the two could wait for
        // each other.
        let warned = "
            WITH warned AS (
                UPDATE runs SET warning = $2
                WHERE flow = $1 AND extracted_at IS NULL AND trigger NOT IN ('webhook', 'replay') RETURNING 1
            ), counted AS (SELECT count(*) FROM warned)";
        let set = format!(
            "{warned} INSERT INTO cursors (flow, value) SELECT $1, $3 FROM counted
            ON CONFLICT (flow) DO UPDATE SET value = excluded.value"
        );
        let remove = format!("{warned} DELETE FROM cursors USING counted WHERE flow = $1");
        match value.map(escaped) {
            Some(value) => {
                self.connections
                    .execute(&set, &[&flow, &SET_DURING_RUN, &value])
                    .await
            }
            None => {
                self.connections
                    .execute(&remove, &[&flow, &SET_DURING_RUN])
                    .await
            }
        }
        .map(drop)
    }
}
