//! The connections to a table's database.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use pomost_project::flow::Table;
use secrecy::ExposeSecret;
use tokio_postgres::{Config, NoTls, config::Host};

/// How long the network may swallow what we send before the connection counts as broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// A database's URL cannot be read. What the parser says may hold parts of it, and so of the password.
#[derive(Debug, thiserror::Error)]
#[error(
    "the URL of the database of load.table cannot be read; expected \
     postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for special characters"
)]
pub struct UrlError;

/// The connections to a table's database, none of which is made yet, and what errors call it.
pub(super) fn pool(table: &Table) -> Result<(Pool, String), UrlError> {
    let config = config(table)?;
    let place = place_of(&config);
    let manager =
        Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let settings = session_settings(table);
    let pool = Pool::builder(manager)
        .max_size(table.concurrency)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { create: Some(table.timeout), ..Timeouts::default() })
        .post_create(Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(|_| UrlError)?;
    Ok((pool, place))
}

fn config(table: &Table) -> Result<Config, UrlError> {
    let mut config: Config = table.database.expose_secret().parse().map_err(|_| UrlError)?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(table.timeout);
    }
    if config.get_application_name().is_none() {
        config.application_name("pomost");
    }
    config.tcp_user_timeout(SILENCE_TIMEOUT);
    Ok(config)
}

fn place_of(config: &Config) -> String {
    let host = config.get_hosts().first().map_or_else(String::new, |host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{host}:{port}/{database}")
}

/// What a text means as a date must not depend on the server's settings: 01/02/2026 is an error
/// rather than a guess, and a time without a zone is in UTC.
fn session_settings(table: &Table) -> String {
    let milliseconds = table.timeout.as_millis();
    format!("SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET statement_timeout = {milliseconds}")
}
