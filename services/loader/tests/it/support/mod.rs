//! A schema for each test, and a loader that writes into it.

mod scene;
mod switch;

use tokio_postgres::{Client, NoTls};

pub(crate) use scene::{Scene, batch, deleted, record};
pub(crate) use switch::SwitchedDatabase;

/// A schema of its own for a test.
#[derive(Clone)]
pub(crate) struct TestSchema {
    pub(crate) name: String,
}

/// Runs the work and drops the schema, also when the work panics.
pub(crate) async fn in_a_schema<Running: Future<Output = ()>>(
    work: impl FnOnce(TestSchema) -> Running,
) {
    let schema = TestSchema {
        name: format!("test_{}", uuid::Uuid::new_v4().simple()),
    };
    connect()
        .await
        .batch_execute(&format!("CREATE SCHEMA {}", schema.name))
        .await
        .unwrap();
    let ended = std::panic::AssertUnwindSafe(work(schema.clone()));
    let ended = futures_util::FutureExt::catch_unwind(ended).await;
    connect()
        .await
        .batch_execute(&format!("DROP SCHEMA {} CASCADE", schema.name))
        .await
        .unwrap();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

impl TestSchema {
    /// A connection that looks into the schema first.
    pub(crate) async fn client(&self) -> Client {
        let client = connect().await;
        client
            .batch_execute(&format!("SET search_path = {}", self.name))
            .await
            .unwrap();
        client
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// The rows of a table as PostgreSQL writes them, in their order.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let client = self.client().await;
        client.batch_execute("SET TimeZone = 'UTC'").await.unwrap();
        let sql = format!("SELECT r::text FROM {table} r ORDER BY 1");
        client
            .query(&sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// Counts the connections of an application that wait for a lock.
    pub(crate) async fn waiting(&self, application: &str) -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        self.client()
            .await
            .query_one(waiting, &[&application])
            .await
            .unwrap()
            .get(0)
    }

    /// Closes the connections of an application, and returns how many there were.
    pub(crate) async fn disconnect(&self, application: &str) -> i64 {
        let close = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name = $1";
        self.client()
            .await
            .query_one(close, &[&application])
            .await
            .unwrap()
            .get(0)
    }
}

pub(crate) fn url() -> String {
    std::env::var("POMOST_TEST_DATABASE_URL").expect(
        "POMOST_TEST_DATABASE_URL must name a PostgreSQL database for tests, \
         as postgres://USER:PASSWORD@HOST:PORT/DATABASE (./tests/run starts one)",
    )
}

async fn connect() -> Client {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
