//! Cursors, in PostgreSQL.

use async_trait::async_trait;

use super::{
    PostgresStore,
    text::{escaped, unescaped},
};
use crate::{Cursors, Result};

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
        let set = "
            INSERT INTO cursors (flow, value) VALUES ($1, $2) ON CONFLICT (flow) DO UPDATE SET value = excluded.value";
        match value {
            Some(value) => {
                self.connections
                    .execute(set, &[&flow, &escaped(value)])
                    .await
            }
            None => {
                self.connections
                    .execute("DELETE FROM cursors WHERE flow = $1", &[&flow])
                    .await
            }
        }
        .map(drop)
    }
}
