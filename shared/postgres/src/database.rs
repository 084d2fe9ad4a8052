//! A database, and a pool of connections to it.

use std::{net::IpAddr, time::Duration};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode},
};

use crate::tls::{self, TrustedCertificates};

/// Time after which a connection is broken when the network does not acknowledge what was sent.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);

/// A database, before the first connection to it. Its URL's `sslmode` decides on TLS as in libpq:
/// `disable`, `require`, or `prefer`, which is the default and does without TLS where the server
/// offers none.
pub struct Database {
    config: Config,
}

/// Settings of a pool of connections.
#[derive(Debug)]
pub struct PoolSettings<'a> {
    /// Largest number of connections.
    pub connections: usize,
    /// Time limit for connecting, unless the URL has one.
    pub connect_timeout: Duration,
    /// Certificates as PEM. One of them must have signed the server's, instead of one that the
    /// platform trusts.
    pub ca: Option<&'a str>,
    /// SQL that each new connection executes.
    pub session_sql: String,
}

/// The settings of a database are wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be read. The parser's message is left out: it may hold parts of the password.
    #[error(
        "its URL cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for special characters"
    )]
    Url,
    /// The certificates cannot be read, or there are none.
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Database {
    /// The database at this URL. Nothing connects to it yet.
    pub fn at(url: &str) -> Result<Database, Error> {
        let mut config: Config = url.parse().map_err(|_| Error::Url)?;
        if config.get_application_name().is_none() {
            config.application_name("pomost");
        }
        config.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
        Ok(Database { config })
    }

    /// Requires TLS where the database is on another machine and the URL does not say otherwise.
    /// With `prefer` an attacker between the machines could claim that the server has no TLS. On
    /// the same machine an attacker who can read the traffic can read the URL as well.
    pub fn require_tls_between_machines(mut self) -> Database {
        if self.config.get_ssl_mode() == SslMode::Prefer {
            let mode = if self.is_on_this_machine() {
                SslMode::Disable
            } else {
                SslMode::Require
            };
            self.config.ssl_mode(mode);
        }
        self
    }

    /// The URL as errors show it: without user and password.
    pub fn place(&self) -> String {
        let host = self
            .config
            .get_hosts()
            .first()
            .map_or_else(String::new, |host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            });
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self
            .config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or_default();
        format!("postgres://{host}:{port}/{database}")
    }

    /// A pool of connections to the database. Connections are made when they are needed.
    pub fn pool(mut self, pooling: PoolSettings<'_>) -> Result<Pool, Error> {
        let PoolSettings {
            connections,
            connect_timeout: timeout,
            ca,
            session_sql: session,
        } = pooling;
        if self.config.get_connect_timeout().is_none() {
            self.config.connect_timeout(timeout);
        }
        let pool = Pool::builder(self.manager(ca)?)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                create: Some(timeout),
                ..Timeouts::default()
            })
            .post_create(Hook::async_fn(move |client, _| {
                let session = session.clone();
                Box::pin(async move {
                    client
                        .batch_execute(&session)
                        .await
                        .map_err(HookError::Backend)
                })
            }))
            .build()
            .expect("it has a runtime for its timeouts");
        Ok(pool)
    }

    fn manager(self, ca: Option<&str>) -> Result<Manager, Error> {
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let trusted = match (self.config.get_ssl_mode(), ca) {
            (SslMode::Disable, _) => return Ok(Manager::from_config(self.config, NoTls, config)),
            (_, Some(ca)) => TrustedCertificates::Given(ca),
            // With `prefer` an attacker in between could claim that the server has no TLS. So a
            // certificate proves nothing, and an unsigned one is as good.
            (SslMode::Prefer, None) => TrustedCertificates::Any,
            (_, None) => TrustedCertificates::Platform,
        };
        Ok(Manager::from_config(
            self.config,
            tls::connector(trusted)?,
            config,
        ))
    }

    fn is_on_this_machine(&self) -> bool {
        let is_this_machine = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                let address = name.parse::<IpAddr>();
                name == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        };
        self.config.get_hostaddrs().is_empty()
            && self.config.get_hosts().iter().all(is_this_machine)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn between_machines_tls_is_left_out_on_this_one_or_where_the_url_says_so() {
        let mode = |url: &str| {
            Database::at(url)
                .unwrap()
                .require_tls_between_machines()
                .config
                .get_ssl_mode()
        };
        for here in [
            "postgres://u@localhost/d",
            "postgres://u@127.0.0.2/d",
            "postgres://u@db/d?sslmode=disable",
        ] {
            assert_eq!(mode(here), SslMode::Disable, "{here}");
        }
        for there in [
            "postgres://u@db/d",
            "postgres://u@localhost,db/d",
            "postgres://u@localhost/d?sslmode=require",
        ] {
            assert_eq!(mode(there), SslMode::Require, "{there}");
        }
    }

    #[test]
    fn a_ca_without_certificates_is_refused() {
        let pooling = PoolSettings {
            connections: 1,
            connect_timeout: UNACKNOWLEDGED_TIMEOUT,
            ca: Some("none"),
            session_sql: String::new(),
        };
        let refused = Database::at("postgres://u@db/d").unwrap().pool(pooling);
        assert!(matches!(refused, Err(Error::Tls(_))));
    }
}
