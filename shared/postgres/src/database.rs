//! One database, and a pool of connections to it.

use std::{net::IpAddr, time::Duration};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode},
};

use crate::tls::{self, Trust};

/// How long the network may swallow what we send before the connection counts as broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// A database that is not connected to yet. Its URL's `sslmode` decides on TLS as libpq has it: `disable`,
/// `require`, or left out `prefer`, which does without where the server does not offer it.
pub struct Database {
    config: Config,
}

/// What a pool of connections is to be.
#[derive(Debug)]
pub struct PoolSettings<'a> {
    /// The most connections.
    pub connections: usize,
    /// How long it may take to connect, unless the URL says so.
    pub connect_timeout: Duration,
    /// The certificates that the server's own has to come from, as PEM, instead of those that the platform
    /// trusts.
    pub ca: Option<&'a str>,
    /// The SQL that each connection begins with.
    pub session_sql: String,
}

/// A database cannot be connected to like this.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its URL cannot be read. What the parser says may hold parts of it, and so of the password.
    #[error(
        "its URL cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for special characters"
    )]
    Url,
    /// There are no certificates to trust.
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Database {
    /// The database at a URL.
    pub fn at(url: &str) -> Result<Database, Error> {
        let mut config: Config = url.parse().map_err(|_| Error::Url)?;
        if config.get_application_name().is_none() {
            config.application_name("pomost");
        }
        config.tcp_user_timeout(SILENCE_TIMEOUT);
        Ok(Database { config })
    }

    /// The same, spoken to by TLS where it is on another machine and the URL does not say otherwise. Who
    /// could listen in on this machine could read the URL. Between machines, to go on without TLS because
    /// somebody says that the server has none would be no protection.
    pub fn require_tls_between_machines(mut self) -> Database {
        if self.config.get_ssl_mode() == SslMode::Prefer {
            let mode = if self.is_here() {
                SslMode::Disable
            } else {
                SslMode::Require
            };
            self.config.ssl_mode(mode);
        }
        self
    }

    /// Where it is, as errors name it: without user and password.
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

    /// Connections to it, none of which is made yet.
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

    /// Where the server decides whether there is TLS, whoever stands between could decide that there is
    /// none, so its certificate proves nothing, and one that nobody has signed is as good.
    fn manager(self, ca: Option<&str>) -> Result<Manager, Error> {
        let how = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let trust = match (self.config.get_ssl_mode(), ca) {
            (SslMode::Disable, _) => return Ok(Manager::from_config(self.config, NoTls, how)),
            (_, Some(ca)) => Trust::Given(ca),
            (SslMode::Prefer, None) => Trust::Anybody,
            (_, None) => Trust::Platform,
        };
        Ok(Manager::from_config(
            self.config,
            tls::connector(trust)?,
            how,
        ))
    }

    fn is_here(&self) -> bool {
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
            connect_timeout: SILENCE_TIMEOUT,
            ca: Some("none"),
            session_sql: String::new(),
        };
        let refused = Database::at("postgres://u@db/d").unwrap().pool(pooling);
        assert!(matches!(refused, Err(Error::Tls(_))));
    }
}
