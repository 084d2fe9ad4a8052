//! Taking messages from a queue in the database.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Hub, milliseconds_since_1970,
    queries::{self, Leased, Whose},
};
use crate::{Consumer, Delivery, Result, message::Acknowledge};

/// How long a message that another process published may go unnoticed.
const POLL: Duration = Duration::from_millis(200);

const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Takes as many messages at once as the prefetch has room for.
pub(super) struct SqliteConsumer {
    session: Arc<Session>,
    taken: VecDeque<Leased>,
    /// Kept here and not in `next`: what it leases is not lost when a wait is cancelled.
    taking: Option<BoxFuture<'static, Vec<Leased>>>,
}

/// The leases of one consumer.
pub(super) struct Session {
    hub: Arc<Hub>,
    queue: String,
    consumer: String,
    prefetch: usize,
    /// A permit for each message that may still be taken.
    room: Semaphore,
    /// Messages whose acknowledgement could not be written. It is made up for when more are taken.
    late: Mutex<Vec<i64>>,
    stopped: CancellationToken,
}

impl SqliteConsumer {
    pub(super) fn new(session: Session) -> SqliteConsumer {
        SqliteConsumer {
            session: Arc::new(session),
            taken: VecDeque::new(),
            taking: None,
        }
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        while self.taken.is_empty() {
            if self.taking.is_none() && self.session.stopped.is_cancelled() {
                return None;
            }
            let taking = self
                .taking
                .get_or_insert_with(|| Box::pin(Arc::clone(&self.session).take()));
            self.taken = taking.await.into();
            self.taking = None;
        }
        self.taken
            .pop_front()
            .map(|leased| self.session.delivery(leased))
    }

    async fn stop(&mut self) {
        self.session.stopped.cancel();
    }
}

/// The messages go back to their queue. Outside a runtime they stay leased until the next start.
impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        self.session.stopped.cancel();
        // A runtime that is about to end should not be given work that is not needed.
        if self.taking.is_none() && self.session.holds_nothing() {
            return;
        }
        let (hub, whose) = (
            Arc::clone(&self.session.hub),
            Whose::Of(self.session.consumer.clone()),
        );
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = hub.release(whose).await {
                    tracing::warn!(%error, "messages stay taken until the next start");
                }
            });
        }
    }
}

impl Session {
    pub(super) fn new(hub: Arc<Hub>, queue: String, prefetch: u16) -> Session {
        let (consumer, prefetch) = (Uuid::new_v4().to_string(), usize::from(prefetch.max(1)));
        let (room, late) = (Semaphore::new(prefetch), Mutex::default());
        Session {
            hub,
            queue,
            consumer,
            prefetch,
            room,
            late,
            stopped: CancellationToken::new(),
        }
    }

    /// Waits for room and for messages, and leases them. Nothing only when stopped.
    async fn take(self: Arc<Self>) -> Vec<Leased> {
        let Some(room) = self.stopped.run_until_cancelled(self.room()).await else {
            return Vec::new();
        };
        while !self.stopped.is_cancelled() {
            let mut changed = std::pin::pin!(self.hub.changed.notified());
            // From here on a change wakes, also one while the database is asked.
            changed.as_mut().enable();
            let pause = match self.try_to_take(room).await {
                Ok(leased) if !leased.is_empty() => {
                    self.room.add_permits(room - leased.len());
                    return leased;
                }
                Ok(_) => self.pause().await,
                Err(error) => {
                    tracing::warn!(queue = self.queue, %error, "cannot take messages; trying again");
                    PAUSE_AFTER_FAILURE
                }
            };
            let waiting = async { tokio::time::timeout(pause, changed).await };
            self.stopped.run_until_cancelled(waiting).await;
        }
        self.room.add_permits(room);
        Vec::new()
    }

    fn holds_nothing(&self) -> bool {
        self.room.available_permits() == self.prefetch && self.late().is_empty()
    }

    fn late(&self) -> MutexGuard<'_, Vec<i64>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages may be taken: at least one.
    async fn room(&self) -> usize {
        let Ok(first) = self.room.acquire().await else {
            return std::future::pending().await;
        };
        first.forget();
        self.room.forget_permits(self.room.available_permits()) + 1
    }

    /// Looks before it asks for the right to write, of which there is only one.
    async fn try_to_take(self: &Arc<Self>, room: usize) -> Result<Vec<Leased>> {
        let late = self.late().clone();
        if late.is_empty() && self.next_available_in().await? != Some(Duration::ZERO) {
            return Ok(Vec::new());
        }
        let (session, made_up_for) = (Arc::clone(self), late.len());
        let leased = self.hub.database.write(move |transaction| {
            // Whoever dropped the consumer has released its leases: there must be no more.
            if session.stopped.is_cancelled() {
                return Ok(Vec::new());
            }
            for sequence in late {
                queries::acknowledge(transaction, sequence, &session.consumer)?;
            }
            queries::lease(
                transaction,
                &session.queue,
                &session.consumer,
                room,
                milliseconds_since_1970(),
            )
        });
        let leased = self.hub.asked(leased.await)?;
        self.late().drain(..made_up_for);
        Ok(leased)
    }

    async fn pause(&self) -> Duration {
        self.next_available_in()
            .await
            .ok()
            .flatten()
            .map_or(POLL, |due| due.min(POLL))
    }

    async fn next_available_in(&self) -> Result<Option<Duration>> {
        let queue = self.queue.clone();
        let next = self
            .hub
            .database
            .read(move |connection| queries::next_available_at(connection, &queue));
        let available_at = self.hub.asked(next.await)?;
        let milliseconds = |at: i64| u64::try_from(at - milliseconds_since_1970()).unwrap_or(0);
        Ok(available_at.map(|at| Duration::from_millis(milliseconds(at))))
    }

    fn delivery(self: &Arc<Self>, leased: Leased) -> Delivery {
        let Leased {
            sequence,
            message,
            poisoned,
            redelivered,
        } = leased;
        let acknowledger = Box::new(Acknowledger {
            session: Arc::clone(self),
            sequence,
        });
        Delivery {
            message,
            poisoned,
            redelivered,
            acknowledger,
        }
    }
}

struct Acknowledger {
    session: Arc<Session>,
    sequence: i64,
}

#[async_trait]
impl Acknowledge for Acknowledger {
    async fn acknowledge(self: Box<Self>) -> Result<()> {
        let Acknowledger { session, sequence } = *self;
        let (hub, consumer) = (&session.hub, session.consumer.clone());
        let acknowledged = hub
            .database
            .write(move |transaction| queries::acknowledge(transaction, sequence, &consumer))
            .await;
        let acknowledged = hub
            .asked(acknowledged)
            .inspect_err(|_| session.late().push(sequence));
        // Also where it failed: who takes more makes up for it.
        session.room.add_permits(1);
        match acknowledged? {
            true => Ok(()),
            false => Err(hub
                .unavailable("the consumer that took the message is gone; it is delivered again")),
        }
    }
}
