//! When systems take requests.

use std::time::Duration;

use jiff::SignedDuration;
use pomost_sqlite::Database;
use rusqlite::{Connection, OptionalExtension};

use super::values;
use crate::{
    ReservedSlots, Result, SlotPace,
    slots::{COMES_BACK, LEAST, WHOLE},
};

pub(super) async fn reserve(
    database: &Database,
    system: &str,
    pace: SlotPace,
    count: u32,
) -> Result<ReservedSlots> {
    let system = system.to_owned();
    let sql = "
        INSERT INTO rate_limits (system, last_slot, held_until) VALUES (?1, ?2, 0)
        ON CONFLICT (system) DO UPDATE SET last_slot = excluded.last_slot";
    let reserved = database.write(move |transaction| {
        // The clock is read when all before it have written.
        let now = values::now();
        let given = Given::at(now, row(transaction, &system)?, pace, count);
        if given.count > 0 {
            transaction
                .prepare_cached(sql)?
                .execute((&system, given.last))?;
        }
        let first_in = SignedDuration::from_micros(given.first.saturating_sub(now));
        let interval = Duration::from_micros(given.interval.try_into().unwrap_or(1));
        Ok(ReservedSlots {
            count: u32::try_from(given.count).unwrap_or(0),
            first_in,
            interval,
        })
    });
    Ok(reserved.await?)
}

pub(super) async fn hold(database: &Database, system: &str, length: Duration) -> Result<()> {
    let system = system.to_owned();
    let sql = "
        INSERT INTO rate_limits (system, last_slot, held_until) VALUES (?1, 0, ?2)
        ON CONFLICT (system) DO UPDATE SET held_until = max(held_until, excluded.held_until)";
    let held = database
        .write(move |transaction| transaction.execute(sql, (system, values::in_future(length))));
    Ok(held.await.map(drop)?)
}

pub(super) async fn held_for(database: &Database, system: &str) -> Result<Duration> {
    let system = system.to_owned();
    let stored = database
        .read(move |connection| row(connection, &system))
        .await?;
    let left = stored.held_until.saturating_sub(values::now());
    Ok(Duration::from_micros(left.try_into().unwrap_or(0)))
}

pub(super) async fn release_hold(database: &Database, system: &str) -> Result<()> {
    let system = system.to_owned();
    let sql = "UPDATE rate_limits SET held_until = 0 WHERE system = ?1";
    let released = database.write(move |transaction| transaction.execute(sql, [system]));
    Ok(released.await.map(drop)?)
}

pub(super) async fn slow(database: &Database, system: &str, since: Duration) -> Result<()> {
    let system = system.to_owned();
    let sql = "
        INSERT INTO rate_limits VALUES (?1, 0, 0, ?2, ?3)
        ON CONFLICT (system) DO UPDATE SET slowed_to = excluded.slowed_to, slowed_at = excluded.slowed_at";
    let slowed = database.write(move |transaction| {
        let (now, stored) = (values::now(), row(transaction, &system)?);
        if stored.slowed_at <= now.saturating_sub(micros(since)) {
            transaction.execute(sql, (&system, LEAST.max(stored.share(now) / 2), now))?;
        }
        Ok(())
    });
    Ok(slowed.await?)
}

/// Until when a system's slots are spoken for, and how slow they come.
struct Stored {
    last_slot: i64,
    held_until: i64,
    slowed_to: i64,
    slowed_at: i64,
}

impl Stored {
    const NOTHING: Stored = Stored {
        last_slot: 0,
        held_until: 0,
        slowed_to: WHOLE,
        slowed_at: 0,
    };

    /// The share of its pace at which the system gets slots then, in millionths.
    fn share(&self, then: i64) -> i64 {
        WHOLE.min(self.slowed_to + then.saturating_sub(self.slowed_at).max(0) / COMES_BACK)
    }
}

/// The slots that are given away; where there are none, `first` is the next.
struct Given {
    count: i64,
    first: i64,
    last: i64,
    interval: i64,
}

impl Given {
    /// That a slot was given away for later than `ahead` from now can only be by a clock that went wrong.
    fn at(now: i64, stored: Stored, pace: SlotPace, count: u32) -> Given {
        let (whole, latest) = (
            micros(pace.interval).max(1),
            now.saturating_add(micros(pace.ahead)),
        );
        let earliest = now.saturating_sub(whole.saturating_mul(pace.burst.into()));
        let interval = whole.saturating_mul(WHOLE) / stored.share(now);
        let next = stored.last_slot.min(latest).saturating_add(interval);
        let first = next.max(earliest).max(stored.held_until);
        let count = match latest.saturating_sub(first) {
            ahead if ahead < 0 => 0,
            ahead => (ahead / interval + 1).min(count.into()),
        };
        let last = first.saturating_add((count - 1).saturating_mul(interval));
        Given {
            count,
            first,
            last,
            interval,
        }
    }
}

fn row(connection: &Connection, system: &str) -> rusqlite::Result<Stored> {
    let sql =
        "SELECT last_slot, held_until, slowed_to, slowed_at FROM rate_limits WHERE system = ?1";
    let stored = connection.prepare_cached(sql)?.query_row([system], |row| {
        let (last_slot, held_until) = (row.get(0)?, row.get(1)?);
        Ok(Stored {
            last_slot,
            held_until,
            slowed_to: row.get(2)?,
            slowed_at: row.get(3)?,
        })
    });
    stored
        .optional()
        .map(|stored| stored.unwrap_or(Stored::NOTHING))
}

fn micros(length: Duration) -> i64 {
    length.as_micros().try_into().unwrap_or(i64::MAX)
}
