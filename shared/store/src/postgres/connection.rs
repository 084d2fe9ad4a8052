//! The pool of connections, and the statements that run on them.

use std::time::Duration;

use deadpool_postgres::{Client, HookError, Object, Pool, PoolError};
use pomost_postgres::{Database, PoolSettings, with_causes};
use refinery::error::Kind;
use tokio_postgres::{Row, types::ToSql};

use crate::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Number of connections of one process. PostgreSQL allows 100 by default, for all processes
/// together.
const CONNECTIONS: usize = 8;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the longest namespace. PostgreSQL cuts longer names off, and two of them might become
/// one.
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
    pub(super) async fn open(url: &str, ca: Option<&str>, namespace: &str) -> Result<Connections> {
        let connections = Connections::to(url, ca, namespace)?;
        connections.migrate(namespace).await?;
        Ok(connections)
    }

    pub(super) async fn drop_schema(url: &str, ca: Option<&str>, namespace: &str) -> Result<()> {
        let connections = Connections::to(url, ca, namespace)?;
        let drop_schema = format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(namespace));
        let dropped = connections
            .client()
            .await?
            .batch_execute(&drop_schema)
            .await;
        dropped.map_err(|error| connections.statement_error(&error))
    }

    fn to(url: &str, ca: Option<&str>, namespace: &str) -> Result<Connections> {
        let database = Database::at(url).map_err(settings)?;
        check_namespace(namespace)?;
        let place = format!("{} (schema {namespace})", database.place());
        Ok(Connections {
            pool: pool(database, ca, namespace)?,
            place,
        })
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(sql)
            .await
            .map_err(|error| self.statement_error(&error))?;
        client
            .query(&statement, parameters)
            .await
            .map_err(|error| self.statement_error(&error))
    }

    /// Runs a statement and returns its row, if it has one.
    pub(super) async fn query_one(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>> {
        Ok(self.query(sql, parameters).await?.into_iter().next())
    }

    /// Runs a statement and returns how many rows it wrote.
    pub(super) async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(sql)
            .await
            .map_err(|error| self.statement_error(&error))?;
        client
            .execute(&statement, parameters)
            .await
            .map_err(|error| self.statement_error(&error))
    }

    /// Runs statements one after the other, all of them or none.
    pub(super) async fn execute_together(
        &self,
        statements: &[(&str, Parameters<'_>)],
    ) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = client
            .transaction()
            .await
            .map_err(|error| self.statement_error(&error))?;
        for (sql, parameters) in statements {
            let statement = transaction
                .prepare_cached(sql)
                .await
                .map_err(|error| self.statement_error(&error))?;
            transaction
                .execute(&statement, parameters)
                .await
                .map_err(|error| self.statement_error(&error))?;
        }
        transaction
            .commit()
            .await
            .map_err(|error| self.statement_error(&error))
    }

    async fn client(&self) -> Result<Client> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                self.statement_error(&error)
            }
            other => unavailable(&self.place, other.to_string()),
        })
    }

    /// Brings the tables up to date, one process at a time.
    async fn migrate(&self, namespace: &str) -> Result<()> {
        // This connection is closed at the end in any case, and its lock ends with it.
        let mut client = Object::take(self.client().await?);
        let lock =
            "SELECT pg_advisory_lock(hashtextextended('pomost migrations of ' || $1::text, 0))";
        client
            .execute(lock, &[&namespace])
            .await
            .map_err(|error| self.statement_error(&error))?;
        self.create_schema(&client, namespace).await?;
        let report = embedded::migrations::runner().run_async(&mut *client).await;
        report.map(drop).map_err(|error| self.not_migrated(&error))
    }

    /// Creates the schema where it is missing.
    async fn create_schema(&self, client: &tokio_postgres::Client, namespace: &str) -> Result<()> {
        // A schema that exists is not created again: that would need a right that its owner may not
        // have given.
        let exists = "SELECT 1 FROM pg_namespace WHERE nspname = $1::text";
        let found = client
            .query_opt(exists, &[&namespace])
            .await
            .map_err(|error| self.statement_error(&error))?;
        if found.is_some() {
            return Ok(());
        }
        let create = format!("CREATE SCHEMA {}", quoted(namespace));
        client
            .batch_execute(&create)
            .await
            .map_err(|error| self.statement_error(&error))
    }

    fn not_migrated(&self, error: &refinery::Error) -> Error {
        match error.kind() {
            Kind::Connection(_, source) => match source.downcast_ref() {
                Some(error) => self.statement_error(error),
                None => unavailable(&self.place, source.to_string()),
            },
            other => Error::Unreadable(format!(
                "the tables in {} cannot be brought up to date: {other}; \
                 if a newer version of Pomost has used them, use that version",
                self.place
            )),
        }
    }

    /// The error for a statement that failed: the server's message without its detail, which may
    /// hold values of a row.
    fn statement_error(&self, error: &tokio_postgres::Error) -> Error {
        if let Some(error) = error.as_db_error() {
            return unavailable(
                &self.place,
                format!("{} ({})", error.message(), error.code().code()),
            );
        }
        unavailable(&self.place, with_causes(error))
    }

    /// The error for a stored value that cannot be understood.
    pub(super) fn unreadable(&self, what: impl std::fmt::Display) -> Error {
        Error::Unreadable(format!("{what} in {}", self.place))
    }
}

fn check_namespace(namespace: &str) -> Result<()> {
    if (1..=LONGEST_NAMESPACE).contains(&namespace.len()) && !namespace.contains('\0') {
        return Ok(());
    }
    let reason =
        format!("POMOST_NAMESPACE names its schema and must have 1 to {LONGEST_NAMESPACE} bytes");
    Err(Error::Settings { reason })
}

fn pool(database: Database, ca: Option<&str>, namespace: &str) -> Result<Pool> {
    let session = session_sql(namespace);
    let pooling = PoolSettings {
        connections: CONNECTIONS,
        connect_timeout: CONNECT_TIMEOUT,
        ca,
        session_sql: session,
    };
    database.pool(pooling).map_err(settings)
}

/// SQL that every connection begins with. Statements are planned once, perhaps when the tables are
/// nearly empty and reading a whole table is cheapest, and the plan stays in use while they grow:
/// so `enable_seqscan` is off. A plan that must read a whole table then looks so expensive that
/// PostgreSQL would compile it, which takes longer than running it: so `jit` is off.
fn session_sql(namespace: &str) -> String {
    format!(
        "SET search_path = {}; SET enable_seqscan = off; SET jit = off; \
         SET default_transaction_isolation = 'read committed'",
        quoted(namespace)
    )
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn settings(error: pomost_postgres::Error) -> Error {
    Error::Settings {
        reason: error.to_string(),
    }
}

fn unavailable(place: &str, reason: impl Into<String>) -> Error {
    Error::Unavailable {
        place: place.to_owned(),
        reason: reason.into(),
    }
}
