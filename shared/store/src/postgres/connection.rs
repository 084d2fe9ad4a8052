//! The pool, and what every connection in it is told.

use std::time::Duration;

use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
    Timeouts,
};
use refinery::error::Kind;
use tokio_postgres::{Config, NoTls, Row, config::Host, types::ToSql};

use crate::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Connections of one process. PostgreSQL allows 100 by default, for all processes together.
const CONNECTIONS: usize = 8;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the network may swallow what we send before the connection counts as broken.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// PostgreSQL cuts longer names off, and two of them might become one.
const LONGEST_NAMESPACE: usize = 63;

/// The connections of a process to one schema of a database.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    place: String,
}

/// The parameters of a statement.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Connections {
    pub(super) async fn open(url: &str, namespace: &str) -> Result<Connections> {
        let connections = Connections::to(url, namespace)?;
        connections.migrate(namespace).await?;
        Ok(connections)
    }

    pub(super) async fn drop_schema(url: &str, namespace: &str) -> Result<()> {
        let connections = Connections::to(url, namespace)?;
        let drop_it = format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(namespace));
        let dropped = connections.client().await?.batch_execute(&drop_it).await;
        dropped.map_err(|error| connections.failed(&error))
    }

    fn to(url: &str, namespace: &str) -> Result<Connections> {
        let config = parse(url)?;
        check_namespace(namespace)?;
        let place = place_of(&config, namespace);
        Ok(Connections { pool: pool(config, &place, namespace)?, place })
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await.map_err(|error| self.failed(&error))?;
        client.query(&statement, parameters).await.map_err(|error| self.failed(&error))
    }

    /// Runs a statement and returns its row, if it has one.
    pub(super) async fn query_one(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// Runs a statement and returns how many rows it wrote.
    pub(super) async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql).await.map_err(|error| self.failed(&error))?;
        client.execute(&statement, parameters).await.map_err(|error| self.failed(&error))
    }

    async fn client(&self) -> Result<Client> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                self.failed(&error)
            }
            other => unavailable(&self.place, other.to_string()),
        })
    }

    /// Uses a connection of its own and closes it, so that the lock ends with it, come what may.
    async fn migrate(&self, namespace: &str) -> Result<()> {
        let mut client = Object::take(self.client().await?);
        let lock = "SELECT pg_advisory_lock(hashtextextended('pomost migrations of ' || $1::text, 0))";
        client.execute(lock, &[&namespace]).await.map_err(|error| self.failed(&error))?;
        self.create_schema(&client, namespace).await?;
        let report = embedded::migrations::runner().run_async(&mut *client).await;
        report.map(drop).map_err(|error| self.not_migrated(&error))
    }

    /// Looks first: creating needs a right that whoever prepared the schema may not have given us.
    async fn create_schema(&self, client: &tokio_postgres::Client, namespace: &str) -> Result<()> {
        let exists = "SELECT 1 FROM pg_namespace WHERE nspname = $1::text";
        let found = client.query_opt(exists, &[&namespace]).await.map_err(|error| self.failed(&error))?;
        if found.is_some() {
            return Ok(());
        }
        let create = format!("CREATE SCHEMA {}", quoted(namespace));
        client.batch_execute(&create).await.map_err(|error| self.failed(&error))
    }

    fn not_migrated(&self, error: &refinery::Error) -> Error {
        match error.kind() {
            Kind::Connection(_, source) => match source.downcast_ref() {
                Some(error) => self.failed(error),
                None => unavailable(&self.place, source.to_string()),
            },
            other => Error::Unreadable(format!(
                "the tables in {} cannot be brought up to date: {other}; \
                 if a newer version of Pomost has used them, use that version",
                self.place
            )),
        }
    }

    /// The server's message without its detail, which may hold values of a row.
    fn failed(&self, error: &tokio_postgres::Error) -> Error {
        if let Some(error) = error.as_db_error() {
            return unavailable(&self.place, format!("{} ({})", error.message(), error.code().code()));
        }
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            reason = format!("{reason}: {error}");
            source = error.source();
        }
        unavailable(&self.place, reason)
    }

    /// The error for something stored that cannot be understood.
    pub(super) fn unreadable(&self, what: impl std::fmt::Display) -> Error {
        Error::Unreadable(format!("{what} in {}", self.place))
    }
}

/// What the parser says may hold parts of the URL, and so of the password.
fn parse(url: &str) -> Result<Config> {
    let mut config: Config = url.parse().map_err(|_| {
        let expected =
            "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for special characters";
        Error::Settings { reason: format!("its URL cannot be read; {expected}") }
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("pomost");
    }
    config.tcp_user_timeout(SILENCE_TIMEOUT);
    Ok(config)
}

fn place_of(config: &Config, namespace: &str) -> String {
    let host = config.get_hosts().first().map_or_else(String::new, |host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{host}:{port}/{database} (schema {namespace})")
}

fn check_namespace(namespace: &str) -> Result<()> {
    if (1..=LONGEST_NAMESPACE).contains(&namespace.len()) && !namespace.contains('\0') {
        return Ok(());
    }
    let reason = format!("POMOST_NAMESPACE names its schema and must have 1 to {LONGEST_NAMESPACE} bytes");
    Err(Error::Settings { reason })
}

fn pool(config: Config, place: &str, namespace: &str) -> Result<Pool> {
    let manager =
        Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let settings = session_settings(namespace);
    Pool::builder(manager)
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { create: Some(CONNECT_TIMEOUT), ..Timeouts::default() })
        .post_create(Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(|error| unavailable(place, error.to_string()))
}

/// Statements are planned once, perhaps when the tables are nearly empty and reading a whole one is
/// cheapest; such a plan would stay in use while they grow. A plan that must read a whole table then
/// looks so dear that it would be compiled, which takes longer than running it.
fn session_settings(namespace: &str) -> String {
    format!(
        "SET search_path = {}; SET enable_seqscan = off; SET jit = off; \
         SET default_transaction_isolation = 'read committed'",
        quoted(namespace)
    )
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn unavailable(place: &str, reason: impl Into<String>) -> Error {
    Error::Unavailable { place: place.to_owned(), reason: reason.into() }
}
