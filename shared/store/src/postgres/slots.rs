//! When systems take requests.

use std::time::Duration;

use jiff::SignedDuration;
use tokio_postgres::Row;

use super::connection::Connections;
use crate::{
    ReservedSlots, Result, SlotPace,
    slots::{COMES_BACK, LEAST, WHOLE},
};

/// Now, in microseconds since 1970.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

pub(super) async fn reserve(
    connections: &Connections,
    system: &str,
    pace: SlotPace,
    count: u32,
) -> Result<ReservedSlots> {
    loop {
        if let Some(slots) = reserve_from_row(connections, system, pace, count).await? {
            return Ok(slots);
        }
        let sql = "INSERT INTO rate_limits VALUES ($1, 0, 0) ON CONFLICT (system) DO NOTHING";
        connections.execute(sql, &[&system]).await?;
    }
}

/// Whoever waits for the row sees it as the one before left it, and reads the clock only then. That a slot
/// was given away for later than `ahead` from now can only be by a clock that went wrong.
async fn reserve_from_row(
    connections: &Connections,
    system: &str,
    pace: SlotPace,
    count: u32,
) -> Result<Option<ReservedSlots>> {
    let sql = format!(
        "
        WITH stored AS MATERIALIZED (
            SELECT * FROM rate_limits WHERE system = $1 FOR UPDATE
        ), asked AS MATERIALIZED (
            SELECT *, {NOW} AS now FROM stored
        ), slowed AS (
            SELECT *, ($3::bigint * ({WHOLE}.0 / {share}))::bigint AS interval FROM asked
        ), next AS (
            SELECT now, interval,
                greatest(least(last_slot, now + $5) + interval, now - $4, held_until) AS first
            FROM slowed
        ), given AS (
            SELECT now, interval, first, CASE WHEN first > now + $5 THEN 0
                ELSE least($2, (now + $5 - first) / interval + 1) END AS count
            FROM next
        )
        UPDATE rate_limits
        SET last_slot = CASE WHEN count = 0 THEN last_slot ELSE first + (count - 1) * interval END
        FROM given WHERE system = $1
        RETURNING count, first - now, interval",
        share = share("", "now"),
    );
    let interval = micros(pace.interval).max(1);
    let (late, ahead) = (
        interval.saturating_mul(pace.burst.into()),
        micros(pace.ahead),
    );
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&system, &i64::from(count), &interval, &late, &ahead];
    let row = connections.query_one(&sql, &parameters).await?;
    Ok(row.map(|row| slots(&row)))
}

pub(super) async fn hold(connections: &Connections, system: &str, length: Duration) -> Result<()> {
    let sql = format!(
        "
        INSERT INTO rate_limits AS stored VALUES ($1, 0, {NOW} + $2)
        ON CONFLICT (system) DO UPDATE SET held_until = greatest(stored.held_until, excluded.held_until)"
    );
    connections
        .execute(&sql, &[&system, &micros(length)])
        .await
        .map(drop)
}

pub(super) async fn held_for(connections: &Connections, system: &str) -> Result<Duration> {
    let sql = format!("SELECT held_until - {NOW} FROM rate_limits WHERE system = $1");
    let row = connections.query_one(&sql, &[&system]).await?;
    let micros = row.map_or(0, |row| row.get::<_, i64>(0));
    Ok(Duration::from_micros(micros.try_into().unwrap_or(0)))
}

pub(super) async fn release_hold(connections: &Connections, system: &str) -> Result<()> {
    let sql = "UPDATE rate_limits SET held_until = 0 WHERE system = $1";
    connections.execute(sql, &[&system]).await.map(drop)
}

pub(super) async fn slow(connections: &Connections, system: &str, since: Duration) -> Result<()> {
    let sql = format!(
        "
        INSERT INTO rate_limits AS stored VALUES ($1, 0, 0, {WHOLE} / 2, {NOW})
        ON CONFLICT (system) DO UPDATE
        SET slowed_to = greatest({LEAST}, {share} / 2), slowed_at = excluded.slowed_at
        WHERE stored.slowed_at <= excluded.slowed_at - $2",
        share = share("stored.", "excluded.slowed_at"),
    );
    connections
        .execute(&sql, &[&system, &micros(since)])
        .await
        .map(drop)
}

/// The share of its pace at which a system gets slots then, in millionths.
fn share(row: &str, then: &str) -> String {
    format!("least({WHOLE}, {row}slowed_to + greatest({then} - {row}slowed_at, 0) / {COMES_BACK})")
}

fn slots(row: &Row) -> ReservedSlots {
    let count: i64 = row.get(0);
    let first_in = SignedDuration::from_micros(row.get(1));
    let interval: i64 = row.get(2);
    let interval = Duration::from_micros(interval.try_into().unwrap_or(1));
    ReservedSlots {
        count: u32::try_from(count).unwrap_or(0),
        first_in,
        interval,
    }
}

fn micros(length: Duration) -> i64 {
    length.as_micros().try_into().unwrap_or(i64::MAX)
}
