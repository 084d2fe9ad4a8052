//! Alerts, in SQLite.

use async_trait::async_trait;

use super::{SqliteStore, values};
use crate::{Alert, Alerts, Result};

#[async_trait]
impl Alerts for SqliteStore {
    async fn raise_alert(&self, subject: &str, text: &str) -> Result<()> {
        let alert = (subject.to_owned(), text.to_owned(), values::now());
        let sql = "INSERT INTO alerts VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO NOTHING";
        self.write(move |transaction| transaction.execute(sql, alert).map(drop))
            .await
    }

    async fn clear_alert(&self, subject: &str) -> Result<()> {
        let subject = subject.to_owned();
        let sql = "DELETE FROM alerts WHERE subject = ?1";
        self.write(move |transaction| transaction.execute(sql, [subject]).map(drop))
            .await
    }

    async fn alerts(&self) -> Result<Vec<Alert>> {
        self.read(|connection| {
            let sql = "SELECT subject, text, raised_at FROM alerts ORDER BY subject";
            let mut statement = connection.prepare_cached(sql)?;
            let alerts = statement.query_map([], |row| {
                let (subject, text) = (row.get(0)?, row.get(1)?);
                Ok(Alert {
                    subject,
                    text,
                    raised_at: values::time(2, row.get(2)?)?,
                })
            });
            alerts?.collect()
        })
        .await
    }
}
