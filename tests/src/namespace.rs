//! The part of the servers that belongs to one test.

use lapin::options::QueueDeclareOptions;
use pomost_broker::{Queue, RabbitMq};
use pomost_store::postgres::PostgresStore;
use tokio_postgres::{Client, NoTls};
use url::Url;
use uuid::Uuid;

use crate::{FLOW, eventually};

/// A schema in the database and a prefix on the broker that nobody else has.
pub struct Namespace {
    /// The name of both, and of the services' connections to the database.
    pub name: String,
    pub amqp_url: String,
    pub database_url: String,
}

impl Namespace {
    /// A namespace with a new name.
    pub fn new(amqp_url: String, database_url: String) -> Namespace {
        Namespace {
            name: format!("e2e-{}", Uuid::new_v4().simple()),
            amqp_url,
            database_url,
        }
    }

    /// The services' environment; `database_url` leads to the database by another way than the
    /// direct one.
    pub(crate) fn environment(&self, database_url: Option<&str>) -> [(String, String); 3] {
        let mut url = Url::parse(database_url.unwrap_or(&self.database_url))
            .expect("the database's URL is one");
        url.query_pairs_mut()
            .append_pair("application_name", &self.name);
        [
            ("POMOST_AMQP_URL", self.amqp_url.clone()),
            ("POMOST_DATABASE_URL", url.into()),
            ("POMOST_NAMESPACE", self.name.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// Number of messages in all its queues, delayed and dead ones too. Those that a consumer has
    /// in hand are not counted.
    pub async fn count_messages(&self) -> Result<u32, lapin::Error> {
        self.count(self.queues()).await
    }

    /// Number of messages in one of its queues, such as `load.customers`.
    pub async fn queue_length(&self, queue: &str) -> Result<u32, lapin::Error> {
        self.count(vec![format!("{}.{queue}", self.name)]).await
    }

    async fn count(&self, queues: Vec<String>) -> Result<u32, lapin::Error> {
        let connection = lapin::Connection::connect(&self.amqp_url, Default::default()).await?;
        let channel = connection.create_channel().await?;
        let mut messages = 0;
        for queue in queues {
            let look = QueueDeclareOptions {
                passive: true,
                ..Default::default()
            };
            messages += channel
                .queue_declare(queue.into(), look, Default::default())
                .await?
                .message_count();
        }
        connection.close(200, "OK".into()).await?;
        Ok(messages)
    }

    /// Waits until the services have connections to the database and closes all of them, as a
    /// failover would.
    pub async fn disconnect_database(&self) {
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        let client = connect(&self.database_url).await;
        eventually(async || {
            match client
                .query_one(terminate, &[&self.name])
                .await
                .unwrap()
                .get(0)
            {
                0_i64 => Err("no connection to the database"),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Removes its queues and its schema from the servers.
    pub async fn delete(&self) -> Result<(), String> {
        self.delete_with([FLOW]).await
    }

    /// Removes them where the services had these flows.
    pub async fn delete_with(&self, flows: impl IntoIterator<Item = &str>) -> Result<(), String> {
        let removed = PostgresStore::remove(&self.database_url, None, &self.name).await;
        removed.map_err(|error| error.to_string())?;
        let broker = RabbitMq::connect(&self.amqp_url, &self.name)
            .await
            .map_err(|error| error.to_string())?;
        let flows: Vec<String> = flows.into_iter().map(str::to_owned).collect();
        broker
            .delete_everything(&flows)
            .await
            .map_err(|error| error.to_string())
    }

    /// True where nothing of it is on the servers.
    pub async fn is_gone(&self) -> bool {
        let connection = lapin::Connection::connect(&self.amqp_url, Default::default())
            .await
            .unwrap();
        for queue in self.queues() {
            // The broker closes the channel on which a queue is missed.
            let channel = connection.create_channel().await.unwrap();
            let look = QueueDeclareOptions {
                passive: true,
                ..Default::default()
            };
            if channel
                .queue_declare(queue.into(), look, Default::default())
                .await
                .is_ok()
            {
                return false;
            }
        }
        schemas_like(&self.name).await.is_empty()
    }

    fn queues(&self) -> Vec<String> {
        let works = Queue::of_flow(FLOW)
            .chain([Queue::Dead])
            .map(|queue| queue.to_string());
        let delays = (0..12).map(|power| format!("delay.{}s", 1 << power));
        works
            .chain(delays)
            .map(|queue| format!("{}.{queue}", self.name))
            .collect()
    }
}

/// The URL of a server for tests, from the environment.
pub fn test_url(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is to be the URL of a server for tests; ./tests/run starts one")
    })
}

/// The schemas in the database whose names are like a pattern of SQL.
pub async fn schemas_like(pattern: &str) -> Vec<String> {
    let schemas = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE $1";
    let rows = database().await.query(schemas, &[&pattern]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A connection to the database for tests.
pub async fn database() -> Client {
    connect(&test_url("POMOST_TEST_DATABASE_URL")).await
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
