//! The broker in a SQLite file, for one process that works on it and others that publish to it.
//!
//! Reading order: the migration (what there is), `queries` (what is done with it), `consumer`.

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
use consumer::{Session, SqliteConsumer};
use queries::{Verdict, Whose};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// Queues in a SQLite file. What was published survives a power cut.
pub struct SqliteBroker {
    hub: Arc<Hub>,
}

/// What the broker, its consumers and their deliveries share.
struct Hub {
    database: Database,
    limits: QueueLimits,
    /// Tells the consumers of this process to look again.
    changed: Notify,
}

impl SqliteBroker {
    /// Opens the file, which is to hold nothing else, creating it where it is missing.
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
            hub: Arc::new(Hub {
                database,
                limits,
                changed: Notify::new(),
            }),
        })
    }

    /// Makes all that was taken and not acknowledged available again. For the start of the one
    /// process that consumes, after a crash of its predecessor: nobody else knows that it is gone.
    pub async fn release_everything(&self) -> Result<()> {
        self.hub.release(Whose::Anybodys).await
    }

    /// How many messages there are, delayed ones and those in hand too.
    #[cfg(feature = "testing")]
    pub async fn count_messages(&self) -> Result<u32> {
        self.hub.asked(self.hub.database.read(queries::count).await)
    }
}

#[async_trait]
impl Broker for SqliteBroker {
    fn system(&self) -> &'static str {
        "sqlite"
    }

    async fn ping(&self) -> Result<()> {
        self.hub.asked(self.hub.database.read(queries::ping).await)
    }

    async fn declare(&self, flows: &[String]) -> Result<()> {
        let works = flows.iter().flat_map(|flow| Queue::of_flow(flow));
        let names: Vec<String> = [Queue::Dead]
            .into_iter()
            .chain(works)
            .map(|queue| queue.to_string())
            .collect();
        let declared = self
            .hub
            .database
            .write(move |transaction| queries::declare(transaction, &names))
            .await;
        self.hub.asked(declared)
    }

    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<()> {
        let queue = || route.to.clone();
        match self.hub.publish(route, messages).await? {
            Verdict::Stored => Ok(()),
            Verdict::Full => Err(Error::Full(queue())),
            Verdict::Unroutable => Err(Error::Unroutable(queue())),
        }
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let name = queue.to_string();
        let lookup = name.clone();
        let exists = self
            .hub
            .database
            .read(move |connection| queries::exists(connection, &lookup))
            .await;
        if !self.hub.asked(exists)? {
            return Err(Error::Unroutable(queue.clone()));
        }
        Ok(Box::new(SqliteConsumer::new(Session::new(
            Arc::clone(&self.hub),
            name,
            prefetch,
        ))))
    }
}

impl Hub {
    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<Verdict> {
        let (queue, delay) = (route.to.to_string(), route.delay);
        let limit = (delay.is_none() && route.to.is_bounded()).then_some(self.limits.length);
        let now = milliseconds_since_1970();
        let available_at = now + i64::from(delay.unwrap_or(0)) * 1000;
        let published = self.database.write(move |transaction| {
            if let Some(verdict) = queries::obstacle(transaction, &queue, limit, now)? {
                return Ok(verdict);
            }
            queries::insert(transaction, &queue, available_at, &messages)?;
            Ok(Verdict::Stored)
        });
        let verdict = self.asked(published.await)?;
        self.changed.notify_waiters();
        Ok(verdict)
    }

    async fn release(&self, whose: Whose) -> Result<()> {
        let (limit, now) = (self.limits.deliveries, milliseconds_since_1970());
        let released = self
            .database
            .write(move |transaction| queries::release(transaction, &whose, limit, now))
            .await;
        self.asked(released)?;
        self.changed.notify_waiters();
        Ok(())
    }

    fn asked<T>(&self, answer: std::result::Result<T, pomost_sqlite::Error>) -> Result<T> {
        answer.map_err(|error| self.unavailable(error))
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
