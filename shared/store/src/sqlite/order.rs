//! The order of versions, in SQL.

use pomost_models::version;
use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
};

/// Defines the models' `is_older`, `waits_for` and `was_read_before` of two order keys, `false` where one is null.
pub(super) fn define(connection: &Connection) -> rusqlite::Result<()> {
    compare(connection, "is_older", version::is_older)?;
    compare(connection, "waits_for", version::waits_for)?;
    compare(connection, "was_read_before", version::was_read_before)
}

fn compare(
    connection: &Connection,
    name: &str,
    compare: fn(&str, &str) -> bool,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(name, 2, flags, move |keys: &Context<'_>| {
        let (one, other): (Option<String>, Option<String>) = (keys.get(0)?, keys.get(1)?);
        Ok(one
            .zip(other)
            .is_some_and(|(one, other)| compare(&one, &other)))
    })
}
