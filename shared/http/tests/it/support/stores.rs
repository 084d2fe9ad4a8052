//! Both stores, each test with one of its own.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use pomost_store::{Store, postgres::PostgresStore, sqlite::SqliteStore};
use tokio_postgres::NoTls;

/// The place of a store, for other processes to open it too.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    /// A schema of the database at `POMOST_TEST_DATABASE_URL`.
    Postgres(String),
}

impl Place {
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Place::Sqlite(path) => Arc::new(SqliteStore::open(path).await.unwrap()),
            Place::Postgres(schema) => {
                Arc::new(PostgresStore::connect(&url(), None, schema).await.unwrap())
            }
        }
    }

    /// Runs a statement on its tables.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Place::Sqlite(path) => sqlite(path.clone(), sql.to_owned()).await,
            Place::Postgres(schema) => {
                postgres(&format!("SET search_path = \"{schema}\"; {sql}")).await
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Postgres(schema) => write!(f, "postgres:{schema}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) => Ok(Place::Sqlite(path.into())),
            Some(("postgres", schema)) => Ok(Place::Postgres(schema.to_owned())),
            _ => Err(format!("'{text}' is no place of a store")),
        }
    }
}

/// Tries a behaviour on an SQLite store and, at the same time, on a PostgreSQL store.
pub(crate) async fn on_both<Running>(behaviour: impl Fn(Place) -> Running)
where
    Running: Future<Output = ()> + Send + 'static,
{
    let directory = tempfile::tempdir().unwrap();
    let on_sqlite = tokio::spawn(behaviour(Place::Sqlite(directory.path().join("state.db"))));
    on_postgres(behaviour).await;
    on_sqlite.await.unwrap();
}

/// Tries a behaviour on a PostgreSQL store.
pub(crate) async fn on_postgres<Running>(behaviour: impl FnOnce(Place) -> Running)
where
    Running: Future<Output = ()> + Send + 'static,
{
    let schema = format!("test {}", uuid::Uuid::new_v4());
    let proven = tokio::spawn(behaviour(Place::Postgres(schema.clone()))).await;
    postgres(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE")).await;
    if let Err(error) = proven {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn sqlite(path: PathBuf, sql: String) {
    let run = move || {
        rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch(&sql)
            .unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}

async fn postgres(sql: &str) {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

fn url() -> String {
    std::env::var("POMOST_TEST_DATABASE_URL").expect(
        "POMOST_TEST_DATABASE_URL must name a PostgreSQL database for tests, \
         as postgres://USER:PASSWORD@HOST:PORT/DATABASE (./tests/run starts one)",
    )
}
