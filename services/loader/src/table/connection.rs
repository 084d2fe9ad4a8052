//! The connections to a table's database.

use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use pomost_project::flow::Table;
use secrecy::ExposeSecret;
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode},
};

use super::tls;

/// How long the network may swallow what we send before the connection counts as broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// A database cannot be spoken to as the flow says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Its URL cannot be read. What the parser says may hold parts of it, and so of the password.
    #[error(
        "the URL in load.table.database cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with \
         %XX for special characters"
    )]
    Url,
    /// There are no certificates to trust.
    #[error("load.table: TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// The connections to a table's database, none of which is made yet, and what errors call it.
pub(super) fn pool(table: &Table) -> Result<(Pool, String), SettingsError> {
    let config = config(table)?;
    let place = place_of(&config);
    let settings = session_settings(table);
    let pool = Pool::builder(manager(config, table)?)
        .max_size(table.concurrency)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { create: Some(table.timeout), ..Timeouts::default() })
        .post_create(Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        }))
        .build()
        .expect("it has a runtime for its timeouts");
    Ok((pool, place))
}

fn manager(config: Config, table: &Table) -> Result<Manager, SettingsError> {
    let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Ok(match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, NoTls, how),
        _ => Manager::from_config(config, tls::connector(table.ca.as_deref())?, how),
    })
}

fn config(table: &Table) -> Result<Config, SettingsError> {
    let mut config: Config = table.database.expose_secret().parse().map_err(|_| SettingsError::Url)?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(table.timeout);
    }
    if config.get_application_name().is_none() {
        config.application_name("pomost");
    }
    config.tcp_user_timeout(SILENCE_TIMEOUT);
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(preferred(&config));
    }
    Ok(config)
}

/// Who could listen in on this machine could read the URL. Between machines, to go on without TLS
/// because somebody says that the server has none would be no protection.
fn preferred(config: &Config) -> SslMode {
    let is_this_machine = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    };
    let here = config.get_hostaddrs().is_empty() && config.get_hosts().iter().all(is_this_machine);
    if here { SslMode::Disable } else { SslMode::Require }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tls_is_left_out_on_this_machine_or_where_the_url_says_so() {
        let mode = |url: &str| {
            let config: Config = url.parse().unwrap();
            if config.get_ssl_mode() == SslMode::Prefer { preferred(&config) } else { config.get_ssl_mode() }
        };
        for here in
            ["postgres://u@localhost/d", "postgres://u@127.0.0.2/d", "postgres://u@db/d?sslmode=disable"]
        {
            assert_eq!(mode(here), SslMode::Disable, "{here}");
        }
        for there in
            ["postgres://u@db/d", "postgres://u@localhost,db/d", "postgres://u@localhost/d?sslmode=require"]
        {
            assert_eq!(mode(there), SslMode::Require, "{there}");
        }
    }
}
