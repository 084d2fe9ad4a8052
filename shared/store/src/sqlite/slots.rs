//! When systems take requests.

use std::time::Duration;

use jiff::SignedDuration;
use pomost_sqlite::Database;
use rusqlite::{OptionalExtension, Transaction};

use super::values;
use crate::{Pace, Result, Slots};

pub(super) async fn reserve(database: &Database, system: &str, pace: Pace, count: u32) -> Result<Slots> {
    let system = system.to_owned();
    let sql = "
        INSERT INTO rate_limits VALUES (?1, ?2, 0)
        ON CONFLICT (system) DO UPDATE SET last_slot = excluded.last_slot";
    let reserved = database.write(move |transaction| {
        // The clock is read when all before it have written.
        let now = values::now();
        let given = Given::at(now, row(transaction, &system)?, pace, count);
        if given.count > 0 {
            transaction.prepare_cached(sql)?.execute((&system, given.last))?;
        }
        let first_in = SignedDuration::from_micros(given.first.saturating_sub(now));
        Ok(Slots { count: u32::try_from(given.count).unwrap_or(0), first_in })
    });
    Ok(reserved.await?)
}

pub(super) async fn hold(database: &Database, system: &str, length: Duration) -> Result<()> {
    let system = system.to_owned();
    let sql = "
        INSERT INTO rate_limits VALUES (?1, 0, ?2)
        ON CONFLICT (system) DO UPDATE SET held_until = max(held_until, excluded.held_until)";
    let held =
        database.write(move |transaction| transaction.execute(sql, (system, values::in_future(length))));
    Ok(held.await.map(drop)?)
}

/// Until when a system's slots are spoken for.
#[derive(Default)]
struct Stored {
    last_slot: i64,
    held_until: i64,
}

/// The slots that are given away; where there are none, `first` is the next.
struct Given {
    count: i64,
    first: i64,
    last: i64,
}

impl Given {
    /// That a slot was given away for later than `ahead` from now can only be by a clock that went wrong.
    fn at(now: i64, stored: Stored, pace: Pace, count: u32) -> Given {
        let (interval, latest) = (micros(pace.interval).max(1), now.saturating_add(micros(pace.ahead)));
        let earliest = now.saturating_sub(interval.saturating_mul(pace.burst.into()));
        let next = stored.last_slot.min(latest).saturating_add(interval);
        let first = next.max(earliest).max(stored.held_until);
        let count = match latest.saturating_sub(first) {
            ahead if ahead < 0 => 0,
            ahead => (ahead / interval + 1).min(count.into()),
        };
        Given { count, first, last: first.saturating_add((count - 1).saturating_mul(interval)) }
    }
}

fn row(transaction: &Transaction<'_>, system: &str) -> rusqlite::Result<Stored> {
    let sql = "SELECT last_slot, held_until FROM rate_limits WHERE system = ?1";
    let stored = transaction
        .prepare_cached(sql)?
        .query_row([system], |row| Ok(Stored { last_slot: row.get(0)?, held_until: row.get(1)? }));
    stored.optional().map(Option::unwrap_or_default)
}

fn micros(length: Duration) -> i64 {
    length.as_micros().try_into().unwrap_or(i64::MAX)
}
