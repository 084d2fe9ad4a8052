//! How values that SQLite has no type for are stored.

use std::time::Duration;

use jiff::Timestamp;
use pomost_models::{RunId, RunTrigger, Stage};
use rusqlite::types::Type;

/// Now, in microseconds since 1970.
pub(super) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// The time in which `ttl` from now has passed.
pub(super) fn in_future(ttl: Duration) -> i64 {
    now().saturating_add(ttl.as_micros().try_into().unwrap_or(i64::MAX))
}

/// The time since which `ago` has passed.
pub(super) fn before(ago: Duration) -> i64 {
    now().saturating_sub(ago.as_micros().try_into().unwrap_or(i64::MAX))
}

pub(super) fn time(column: usize, microseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|_| unreadable(column, Type::Integer, "a time"))
}

pub(super) fn run_id(column: usize, text: &str) -> rusqlite::Result<RunId> {
    text.parse()
        .map_err(|_| unreadable(column, Type::Text, "the id of a run"))
}

pub(super) fn trigger(column: usize, text: &str) -> rusqlite::Result<RunTrigger> {
    text.parse()
        .map_err(|_| unreadable(column, Type::Text, "the trigger of a run"))
}

pub(super) fn stage(column: usize, text: &str) -> rusqlite::Result<Stage> {
    text.parse()
        .map_err(|_| unreadable(column, Type::Text, "the stage of a replay"))
}

fn unreadable(column: usize, found: Type, expected: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, format!("it is not {expected}").into())
}
