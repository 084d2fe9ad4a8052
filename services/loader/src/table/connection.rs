//! The connections to a table's database.

use deadpool_postgres::Pool;
use pomost_postgres::{Database, Error, PoolSettings};
use pomost_project::flow::TableDestination;
use secrecy::ExposeSecret;

/// The connections to a table's database, none of which is made yet, and what errors call it.
pub(super) fn pool(table: &TableDestination) -> Result<(Pool, String), Error> {
    let database = Database::at(table.database.expose_secret())?.require_tls_between_machines();
    let place = database.place();
    let pooling = PoolSettings {
        connections: table.concurrency,
        connect_timeout: table.timeout,
        ca: table.ca.as_deref(),
        session_sql: session_settings(table),
    };
    Ok((database.pool(pooling)?, place))
}

/// What a text means as a date must not depend on the server's settings: 01/02/2026 is an error
/// rather than a guess, and a time without a zone is in UTC.
fn session_settings(table: &TableDestination) -> String {
    let milliseconds = table.timeout.as_millis();
    format!(
        "SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET statement_timeout = {milliseconds}"
    )
}
