//! Rate slots and holds, in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio_postgres::{Row, types::ToSql};

use super::{PostgresStore, connection::Connections};
use crate::{
    RateSlots, ReservedSlots, Result, SlotPace,
    rules::{
        micros,
        slot_pacing::{LEAST_PACE, MICROS_PER_MILLIONTH, WHOLE_PACE},
    },
};

#[async_trait]
impl RateSlots for PostgresStore {
    async fn reserve_slots(
        &self,
        system: &str,
        pace: SlotPace,
        count: u32,
    ) -> Result<ReservedSlots> {
        loop {
            if let Some(slots) = reserve_from_row(&self.connections, system, pace, count).await? {
                return Ok(slots);
            }
            // The first reservation of a system creates its row, and is then repeated.
            let sql = "INSERT INTO rate_limits VALUES ($1, 0, 0) ON CONFLICT (system) DO NOTHING";
            self.connections.execute(sql, &[&system]).await?;
        }
    }

    async fn hold_system(&self, system: &str, length: Duration) -> Result<()> {
        let sql = format!(
            "INSERT INTO rate_limits AS stored VALUES ($1, 0, {NOW} + $2)
            ON CONFLICT (system) DO UPDATE SET held_until = greatest(stored.held_until, excluded.held_until)"
        );
        self.connections
            .execute(&sql, &[&system, &micros(length)])
            .await
            .map(drop)
    }

    async fn remaining_hold(&self, system: &str) -> Result<Duration> {
        let sql = format!("SELECT held_until - {NOW} FROM rate_limits WHERE system = $1");
        let row = self.connections.query_one(&sql, &[&system]).await?;
        let micros = row.map_or(0, |row| row.get::<_, i64>(0));
        Ok(Duration::from_micros(micros.try_into().unwrap_or(0)))
    }

    async fn release_hold(&self, system: &str) -> Result<bool> {
        let sql = format!(
            "UPDATE rate_limits SET held_until = {NOW} WHERE system = $1 AND held_until > {NOW}"
        );
        Ok(self.connections.execute(&sql, &[&system]).await? > 0)
    }

    async fn halve_pace(&self, system: &str, since: Duration) -> Result<()> {
        let sql = format!(
            "INSERT INTO rate_limits AS stored VALUES ($1, 0, 0, {WHOLE_PACE} / 2, {NOW})
            ON CONFLICT (system) DO UPDATE
            SET slowed_to = greatest({LEAST_PACE}, {share} / 2), slowed_at = excluded.slowed_at
            WHERE stored.slowed_at <= excluded.slowed_at - $2",
            share = pace_share("stored.", "excluded.slowed_at"),
        );
        self.connections
            .execute(&sql, &[&system, &micros(since)])
            .await
            .map(drop)
    }
}

/// The current time, in microseconds since 1970.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Reserves slots from the row of a system, where it has one
/// ([`SlotRow::reserve`](crate::rules::slot_pacing::SlotRow::reserve)).
async fn reserve_from_row(
    connections: &Connections,
    system: &str,
    pace: SlotPace,
    count: u32,
) -> Result<Option<ReservedSlots>> {
    // The clock is read after the row was locked: a statement that waited for the row sees it as
    // the one before left it.
    let sql = format!(
        "
        WITH stored AS MATERIALIZED (
            SELECT * FROM rate_limits WHERE system = $1 FOR UPDATE
        ), clocked AS MATERIALIZED (
            SELECT *, {NOW} AS now FROM stored
        ), slowed AS (
            SELECT *, div($3::bigint::numeric * {WHOLE_PACE}, {share})::bigint AS interval FROM clocked
        ), next AS (
            SELECT now, interval,
                greatest(least(last_slot, now + $5) + interval, now - $4, held_until) AS first
            FROM slowed
        ), reserved AS (
            SELECT now, interval, first, CASE WHEN first > now + $5 THEN 0
                ELSE least($2, (now + $5 - first) / interval + 1) END AS count
            FROM next
        )
        UPDATE rate_limits
        SET last_slot = CASE WHEN count = 0 THEN last_slot ELSE first + (count - 1) * interval END
        FROM reserved WHERE system = $1
        RETURNING count, first - now, interval",
        share = pace_share("", "now"),
    );
    let interval = micros(pace.interval).max(1);
    let late = interval.saturating_mul(pace.burst.into());
    let ahead = micros(pace.ahead);
    let parameters: [&(dyn ToSql + Sync); 5] =
        [&system, &i64::from(count), &interval, &late, &ahead];
    let row = connections.query_one(&sql, &parameters).await?;
    Ok(row.as_ref().map(reserved_slots))
}

/// The share of its pace at which a system gets slots at the time `now`, in millionths.
fn pace_share(row: &str, now: &str) -> String {
    format!(
        "least({WHOLE_PACE}, {row}slowed_to + greatest({now} - {row}slowed_at, 0) / {MICROS_PER_MILLIONTH})"
    )
}

fn reserved_slots(row: &Row) -> ReservedSlots {
    let (count, first_in, interval): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    ReservedSlots {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        first_in: SignedDuration::from_micros(first_in),
        interval: Duration::from_micros(interval.unsigned_abs()),
    }
}
