//! The order of versions, as functions of SQL.

use pomost_models::version;
use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
};

/// Defines the models' functions that compare two order keys. In SQL they are false where one is
/// null.
pub(super) fn define(connection: &Connection) -> rusqlite::Result<()> {
    define_comparison(connection, "is_older", version::is_older)?;
    define_comparison(connection, "waits_for", version::waits_for)?;
    define_comparison(connection, "was_read_before", version::was_read_before)
}

fn define_comparison(
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
