//! Deliveries to webhooks and their runs, in SQLite.

use async_trait::async_trait;
use pomost_models::{RunTrigger, webhook::DeliveryId};
use rusqlite::Transaction;

use super::{SqliteStore, runs, values};
use crate::{Deliveries, Result, WebhookArrival, deliveries::FORGOTTEN_PER_ARRIVAL};

#[async_trait]
impl Deliveries for SqliteStore {
    async fn known_deliveries(&self, flow: &str, deliveries: &[DeliveryId]) -> Result<Vec<bool>> {
        let (flow, deliveries) = (flow.to_owned(), deliveries.to_owned());
        let sql = "SELECT 1 FROM deliveries WHERE flow = ?1 AND id = ?2 AND expires_at > ?3";
        self.read(move |connection| {
            let (mut statement, now) = (connection.prepare_cached(sql)?, values::now());
            deliveries
                .iter()
                .map(|delivery| statement.exists((&flow, delivery.0, now)))
                .collect()
        })
        .await
    }

    async fn record_arrival(&self, arrival: &WebhookArrival) -> Result<()> {
        let arrival = arrival.clone();
        self.write(move |transaction| {
            create_run(transaction, &arrival)?;
            runs::add_batches(transaction, arrival.run, &arrival.batches)?;
            remember(transaction, &arrival)?;
            forget_expired(transaction)
        })
        .await
    }
}

fn create_run(transaction: &Transaction<'_>, arrival: &WebhookArrival) -> rusqlite::Result<()> {
    let sql = r#"
        INSERT INTO runs (id, flow, "trigger", requested_at, extracted_at) VALUES (?1, ?2, ?3, ?4, ?4)
        ON CONFLICT (id) DO NOTHING"#;
    let trigger = RunTrigger::Webhook.as_str();
    let run = (
        arrival.run.to_string(),
        &arrival.flow,
        trigger,
        values::now(),
    );
    transaction.prepare_cached(sql)?.execute(run).map(drop)
}

fn remember(transaction: &Transaction<'_>, arrival: &WebhookArrival) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO deliveries (flow, id, expires_at) VALUES (?1, ?2, ?3)";
    let (mut statement, until) = (
        transaction.prepare_cached(sql)?,
        values::in_future(arrival.remembered_for),
    );
    let mut remember =
        |delivery: &DeliveryId| statement.execute((&arrival.flow, delivery.0, until));
    arrival
        .deliveries
        .iter()
        .try_for_each(|delivery| remember(delivery).map(drop))
}

fn forget_expired(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "
        DELETE FROM deliveries WHERE (flow, id) IN (
            SELECT flow, id FROM deliveries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    transaction
        .prepare_cached(sql)?
        .execute((values::now(), FORGOTTEN_PER_ARRIVAL))
        .map(drop)
}
