//! Deliveries to webhooks and their runs, in PostgreSQL.

use std::{collections::HashSet, sync::LazyLock};

use async_trait::async_trait;
use pomost_models::webhook::DeliveryId;
use tokio_postgres::types::ToSql;

use super::{PostgresStore, runs};
use crate::{Deliveries, Result, WebhookArrival, deliveries::FORGOTTEN_PER_ARRIVAL};

#[async_trait]
impl Deliveries for PostgresStore {
    async fn known_deliveries(&self, flow: &str, deliveries: &[DeliveryId]) -> Result<Vec<bool>> {
        let sql = "
            SELECT id FROM deliveries WHERE flow = $1 AND id = ANY($2::bytea[]) AND expires_at > clock_timestamp()";
        let rows = self
            .connections
            .query(sql, &[&flow, &bytes(deliveries)])
            .await?;
        let known: HashSet<&[u8]> = rows.iter().map(|row| row.get(0)).collect();
        Ok(deliveries
            .iter()
            .map(|delivery| known.contains(&delivery.0[..]))
            .collect())
    }

    async fn record_arrival(&self, arrival: &WebhookArrival) -> Result<()> {
        // Expired deliveries are locked by one statement at a time, and those of this arrival are
        // not deleted.
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let merge = runs::MERGE;
            format!(
                "WITH run AS (
                    INSERT INTO runs (id, flow, trigger, extracted_at) VALUES ($1, $2, 'webhook', now())
                    ON CONFLICT (id) DO NOTHING
                ), batches AS (
                    SELECT $1::uuid AS run, * FROM unnest($3::text[], $4::text[]) AS batches (batch, outcomes)
                ), merged AS ({merge}), expired AS (
                    SELECT flow, id FROM deliveries
                    WHERE expires_at <= clock_timestamp() AND NOT (flow = $2 AND id = ANY($5::bytea[]))
                    ORDER BY expires_at LIMIT {FORGOTTEN_PER_ARRIVAL} FOR UPDATE SKIP LOCKED
                ), forgotten AS (
                    DELETE FROM deliveries USING expired
                    WHERE deliveries.flow = expired.flow AND deliveries.id = expired.id
                )
                INSERT INTO deliveries (flow, id, expires_at)
                SELECT $2, id, clock_timestamp() + make_interval(secs => $6) FROM (SELECT DISTINCT unnest($5::bytea[]) AS id) AS ids ORDER BY id
                ON CONFLICT (flow, id) DO UPDATE SET expires_at = excluded.expires_at"
            )
        });
        let (batches, masks) = runs::waiting_masks(&arrival.batches);
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &arrival.run.0,
            &arrival.flow,
            &batches,
            &masks,
            &bytes(&arrival.deliveries),
            &arrival.remembered_for.as_secs_f64(),
        ];
        self.connections.execute(&SQL, &parameters).await.map(drop)
    }
}

fn bytes(deliveries: &[DeliveryId]) -> Vec<&[u8]> {
    deliveries.iter().map(|delivery| &delivery.0[..]).collect()
}
