//! Runs of webhooks, and the deliveries that are remembered.

use pomost_models::{RunTrigger, webhook::DeliveryId};
use pomost_sqlite::Database;
use rusqlite::Transaction;

use super::{runs, values};
use crate::{Result, WebhookArrival, webhooks::FORGOTTEN};

pub(super) async fn known(
    database: &Database,
    flow: &str,
    deliveries: &[DeliveryId],
) -> Result<Vec<bool>> {
    let (flow, deliveries) = (flow.to_owned(), deliveries.to_owned());
    let sql = "SELECT 1 FROM deliveries WHERE flow = ?1 AND id = ?2 AND expires_at > ?3";
    let known = database.read(move |connection| {
        let (mut statement, now) = (connection.prepare_cached(sql)?, values::now());
        deliveries
            .iter()
            .map(|delivery| statement.exists((&flow, delivery.0, now)))
            .collect()
    });
    Ok(known.await?)
}

pub(super) async fn record(database: &Database, arrival: &WebhookArrival) -> Result<()> {
    let arrival = arrival.clone();
    let recorded = database.write(move |transaction| {
        make_run(transaction, &arrival)?;
        runs::add_batches(transaction, arrival.run, &arrival.batches)?;
        remember(transaction, &arrival)?;
        forget_expired(transaction)
    });
    Ok(recorded.await?)
}

fn make_run(transaction: &Transaction<'_>, arrival: &WebhookArrival) -> rusqlite::Result<()> {
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
        .execute((values::now(), FORGOTTEN))
        .map(drop)
}
