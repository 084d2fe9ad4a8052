//! The broker in a SQLite file, for one process that consumes and others that publish.
//!
//! Reading order: the migration (the tables), `queries` (the statements on them), `consumer`.

mod consumer;
mod queries;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use pomost_sqlite::Database;
use tokio::sync::Notify;

use crate::{Broker, Consumer, Error, Message, Queue, QueueLimits, Result, Route};
use consumer::{ConsumerSession, SqliteConsumer};
use queries::{LeaseHolder, PublishResult};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// Queues in a SQLite file. Published messages survive a power cut.
pub struct SqliteBroker {
    shared: Arc<SharedQueues>,
}

/// The part that the broker, its consumers and their deliveries share.
struct SharedQueues {
    database: Database,
    limits: QueueLimits,
    /// Wakes the consumers of this process when messages were published or released.
    changed: Notify,
}

impl SqliteBroker {
    /// Opens the file, which must hold nothing else, and creates it where it is missing.
    pub async fn open(path: &Path) -> Result<SqliteBroker> {
        Self::open_with(path, QueueLimits::default()).await
    }

    /// [`SqliteBroker::open`], with other limits.
    pub async fn open_with(path: &Path, limits: QueueLimits) -> Result<SqliteBroker> {
        let database = Database::open(path, migrations::migrations::runner())
            .await
            .map_err(|error| Error::Unavailable {
                place: path.display().to_string(),
                reason: error.to_string(),
            })?;
        Ok(SqliteBroker {
            shared: Arc::new(SharedQueues {
                database,
                limits,
                changed: Notify::new(),
            }),
        })
    }

    /// Makes all messages available again that were taken and not acknowledged. This is for the
    /// start of the one process that consumes: nothing else notices that its predecessor has
    /// crashed.
    pub async fn release_everything(&self) -> Result<()> {
        self.shared.release(LeaseHolder::Anybody).await
    }

    /// Number of messages, delayed ones and those that are taken included.
    #[cfg(feature = "testing")]
    pub async fn count_messages(&self) -> Result<u32> {
        self.shared
            .available(self.shared.database.read(queries::count).await)
    }
}

#[async_trait]
impl Broker for SqliteBroker {
    fn system(&self) -> &'static str {
        "sqlite"
    }

    async fn ping(&self) -> Result<()> {
        self.shared
            .available(self.shared.database.read(queries::ping).await)
    }

    async fn declare(&self, flows: &[String]) -> Result<()> {
        let work_queues = flows.iter().flat_map(|flow| Queue::of_flow(flow));
        let names: Vec<String> = [Queue::Dead]
            .into_iter()
            .chain(work_queues)
            .map(|queue| queue.to_string())
            .collect();
        let declared = self
            .shared
            .database
            .write(move |transaction| queries::declare(transaction, &names))
            .await;
        self.shared.available(declared)
    }

    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<()> {
        let queue = || route.to.clone();
        match self.shared.publish(route, messages).await? {
            PublishResult::Stored => Ok(()),
            PublishResult::Full => Err(Error::Full(queue())),
            PublishResult::Unroutable => Err(Error::Unroutable(queue())),
        }
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let name = queue.to_string();
        let lookup = name.clone();
        let exists = self
            .shared
            .database
            .read(move |connection| queries::exists(connection, &lookup))
            .await;
        if !self.shared.available(exists)? {
            return Err(Error::Unroutable(queue.clone()));
        }
        Ok(Box::new(SqliteConsumer::new(ConsumerSession::new(
            Arc::clone(&self.shared),
            name,
            prefetch,
        ))))
    }
}

impl SharedQueues {
    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<PublishResult> {
        let (queue, delay) = (route.to.to_string(), route.delay);
        let limit = (delay.is_none() && route.to.is_bounded()).then_some(self.limits.length);
        let now = milliseconds_since_1970();
        let available_at = now + i64::from(delay.unwrap_or(0)) * 1000;
        let publishing = self.database.write(move |transaction| {
            if let Some(refusal) = queries::refusal(transaction, &queue, limit, now)? {
                return Ok(refusal);
            }
            queries::insert(transaction, &queue, available_at, &messages)?;
            Ok(PublishResult::Stored)
        });
        let published = self.available(publishing.await)?;
        self.changed.notify_waiters();
        Ok(published)
    }

    async fn release(&self, holder: LeaseHolder) -> Result<()> {
        let (limit, now) = (self.limits.deliveries, milliseconds_since_1970());
        let released = self
            .database
            .write(move |transaction| queries::release(transaction, &holder, limit, now))
            .await;
        self.available(released)?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Takes the result of a query; any failure means that the database cannot be used right now.
    fn available<T>(&self, result: std::result::Result<T, pomost_sqlite::Error>) -> Result<T> {
        result.map_err(|error| self.unavailable(error))
    }

    fn unavailable(&self, reason: impl ToString) -> Error {
        Error::Unavailable {
            place: self.database.place().to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn milliseconds_since_1970() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
