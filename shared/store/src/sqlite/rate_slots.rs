//! Rate slots and holds, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{SqliteStore, values};
use crate::{RateSlots, ReservedSlots, Result, SlotPace, rules::slot_pacing::SlotRow};

#[async_trait]
impl RateSlots for SqliteStore {
    async fn reserve_slots(
        &self,
        system: &str,
        pace: SlotPace,
        count: u32,
    ) -> Result<ReservedSlots> {
        self.change_slots(system, move |row, now| row.reserve(pace, count, now))
            .await
    }

    async fn hold_system(&self, system: &str, length: Duration) -> Result<()> {
        self.change_slots(system, move |row, now| row.hold(length, now))
            .await
    }

    async fn remaining_hold(&self, system: &str) -> Result<Duration> {
        let system = system.to_owned();
        self.read(
            move |connection| Ok(slot_row(connection, &system)?.remaining_hold(values::now())),
        )
        .await
    }

    async fn release_hold(&self, system: &str) -> Result<bool> {
        self.change_slots(system, |row, now| row.release_hold(now))
            .await
    }

    async fn halve_pace(&self, system: &str, since: Duration) -> Result<()> {
        self.change_slots(system, move |row, now| row.halve_pace(since, now))
            .await
    }
}

impl SqliteStore {
    /// Applies a rule to the row of a system and stores the row where it has changed.
    async fn change_slots<T, Rule>(&self, system: &str, rule: Rule) -> Result<T>
    where
        T: Send + 'static,
        Rule: FnOnce(&mut SlotRow, i64) -> T + Send + 'static,
    {
        let system = system.to_owned();
        self.write(move |transaction| {
            // The clock is read inside the transaction: all writers before this one have finished.
            let now = values::now();
            let before = slot_row(transaction, &system)?;
            let mut row = before;
            let result = rule(&mut row, now);
            if row != before {
                store_row(transaction, &system, row)?;
            }
            Ok(result)
        })
        .await
    }
}

fn slot_row(connection: &Connection, system: &str) -> rusqlite::Result<SlotRow> {
    let sql =
        "SELECT last_slot, held_until, slowed_to, slowed_at FROM rate_limits WHERE system = ?1";
    let row = connection.prepare_cached(sql)?.query_row([system], |row| {
        Ok(SlotRow {
            last_slot: row.get(0)?,
            held_until: row.get(1)?,
            slowed_to: row.get(2)?,
            slowed_at: row.get(3)?,
        })
    });
    Ok(row.optional()?.unwrap_or_default())
}

fn store_row(transaction: &Transaction<'_>, system: &str, row: SlotRow) -> rusqlite::Result<()> {
    let SlotRow {
        last_slot,
        held_until,
        slowed_to,
        slowed_at,
    } = row;
    let sql = "
        INSERT OR REPLACE INTO rate_limits (system, last_slot, held_until, slowed_to, slowed_at)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction
        .prepare_cached(sql)?
        .execute((system, last_slot, held_until, slowed_to, slowed_at))
        .map(drop)
}
