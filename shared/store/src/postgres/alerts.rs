//! Alerts, in PostgreSQL.

use async_trait::async_trait;

use super::{
    PostgresStore,
    text::{escaped, unescaped},
};
use crate::{Alert, Alerts, Result};

#[async_trait]
impl Alerts for PostgresStore {
    async fn raise_alert(&self, subject: &str, text: &str) -> Result<()> {
        let sql =
            "INSERT INTO alerts (subject, text) VALUES ($1, $2) ON CONFLICT (subject) DO NOTHING";
        self.connections
            .execute(sql, &[&subject, &escaped(text)])
            .await
            .map(drop)
    }

    async fn clear_alert(&self, subject: &str) -> Result<()> {
        self.connections
            .execute("DELETE FROM alerts WHERE subject = $1", &[&subject])
            .await
            .map(drop)
    }

    async fn alerts(&self) -> Result<Vec<Alert>> {
        let rows = self
            .connections
            .query(
                "SELECT subject, text, raised_at FROM alerts ORDER BY subject",
                &[],
            )
            .await?;
        let alert = |row: tokio_postgres::Row| Alert {
            subject: row.get(0),
            text: unescaped(row.get(1)),
            raised_at: row.get(2),
        };
        Ok(rows.into_iter().map(alert).collect())
    }
}
