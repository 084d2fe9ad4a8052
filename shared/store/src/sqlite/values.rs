//! Values that SQLite has no type for: times and words.

use std::time::Duration;

use jiff::Timestamp;
use pomost_models::{RunId, RunTrigger};
use rusqlite::types::Type;

use crate::rules::micros;

/// The current time, in microseconds since 1970.
pub(super) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// The time that is `ttl` from now.
pub(super) fn in_future(ttl: Duration) -> i64 {
    now().saturating_add(micros(ttl))
}

/// The time that was `ago` before now.
pub(super) fn before(ago: Duration) -> i64 {
    now().saturating_sub(micros(ago))
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

/// The error for a value that is not what its column should hold.
pub(super) fn unreadable(column: usize, found: Type, expected: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, format!("it is not {expected}").into())
}
