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
    SharedQueues, milliseconds_since_1970,
    queries::{self, LeaseHolder, LeasedMessage},
};
use crate::{Consumer, Delivery, Result, message::Acknowledge};

/// The longest time for which a message that another process published goes unnoticed.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The pause before the database is asked again after a failure.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A consumer that takes as many messages at once as its prefetch has room for.
pub(super) struct SqliteConsumer {
    session: Arc<ConsumerSession>,
    taken: VecDeque<LeasedMessage>,
    /// The lease of messages that is under way. It is kept here and not in `next`, so that the
    /// messages are not lost when a wait is cancelled.
    taking: Option<BoxFuture<'static, Vec<LeasedMessage>>>,
}

/// The leases of one consumer.
pub(super) struct ConsumerSession {
    shared: Arc<SharedQueues>,
    queue: String,
    consumer: String,
    prefetch: usize,
    /// One permit for each message that may still be taken.
    room: Semaphore,
    /// The sequence numbers of messages whose acknowledgement could not be written. They are
    /// acknowledged when more messages are taken.
    unwritten_acknowledgements: Mutex<Vec<i64>>,
    stopped: CancellationToken,
}

impl SqliteConsumer {
    pub(super) fn new(session: ConsumerSession) -> SqliteConsumer {
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

/// Returns the leased messages to their queue. Outside a runtime they stay leased until the next
/// start.
impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        self.session.stopped.cancel();
        // A runtime that is about to end is given no work that is not needed.
        if self.taking.is_none() && self.session.holds_nothing() {
            return;
        }
        let (shared, holder) = (
            Arc::clone(&self.session.shared),
            LeaseHolder::Consumer(self.session.consumer.clone()),
        );
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = shared.release(holder).await {
                    tracing::warn!(%error, "messages stay taken until the next start");
                }
            });
        }
    }
}

impl ConsumerSession {
    pub(super) fn new(shared: Arc<SharedQueues>, queue: String, prefetch: u16) -> ConsumerSession {
        let (consumer, prefetch) = (Uuid::new_v4().to_string(), usize::from(prefetch.max(1)));
        let room = Semaphore::new(prefetch);
        ConsumerSession {
            shared,
            queue,
            consumer,
            prefetch,
            room,
            unwritten_acknowledgements: Mutex::default(),
            stopped: CancellationToken::new(),
        }
    }

    /// Waits for room and for messages, and leases them. Returns none only when the consumer was
    /// stopped.
    async fn take(self: Arc<Self>) -> Vec<LeasedMessage> {
        let Some(room) = self.stopped.run_until_cancelled(self.room()).await else {
            return Vec::new();
        };
        while !self.stopped.is_cancelled() {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // From here on every change wakes, also a change while the database is asked.
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
        self.room.available_permits() == self.prefetch && self.unwritten().is_empty()
    }

    fn unwritten(&self) -> MutexGuard<'_, Vec<i64>> {
        self.unwritten_acknowledgements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, and takes all of it: the number of messages that may be taken, at least one.
    async fn room(&self) -> usize {
        let Ok(first) = self.room.acquire().await else {
            return std::future::pending().await;
        };
        first.forget();
        self.room.forget_permits(self.room.available_permits()) + 1
    }

    /// Leases up to `room` messages. It reads before it asks for the right to write, which only one
    /// transaction has at a time.
    async fn try_to_take(self: &Arc<Self>, room: usize) -> Result<Vec<LeasedMessage>> {
        let unwritten = self.unwritten().clone();
        if unwritten.is_empty() && self.next_available_in().await? != Some(Duration::ZERO) {
            return Ok(Vec::new());
        }
        let (session, written) = (Arc::clone(self), unwritten.len());
        let leased = self.shared.database.write(move |transaction| {
            // The leases of a dropped consumer were released; it must not get new ones.
            if session.stopped.is_cancelled() {
                return Ok(Vec::new());
            }
            for sequence in unwritten {
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
        let leased = self.shared.available(leased.await)?;
        self.unwritten().drain(..written);
        Ok(leased)
    }

    async fn pause(&self) -> Duration {
        self.next_available_in()
            .await
            .ok()
            .flatten()
            .map_or(POLL_INTERVAL, |due| due.min(POLL_INTERVAL))
    }

    async fn next_available_in(&self) -> Result<Option<Duration>> {
        let queue = self.queue.clone();
        let next = self
            .shared
            .database
            .read(move |connection| queries::next_available_at(connection, &queue));
        let available_at = self.shared.available(next.await)?;
        let milliseconds = |at: i64| u64::try_from(at - milliseconds_since_1970()).unwrap_or(0);
        Ok(available_at.map(|at| Duration::from_millis(milliseconds(at))))
    }

    fn delivery(self: &Arc<Self>, leased: LeasedMessage) -> Delivery {
        let LeasedMessage {
            sequence,
            message,
            poisoned,
            redelivered,
        } = leased;
        let acknowledger = Box::new(LeaseAcknowledger {
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

struct LeaseAcknowledger {
    session: Arc<ConsumerSession>,
    sequence: i64,
}

#[async_trait]
impl Acknowledge for LeaseAcknowledger {
    async fn acknowledge(self: Box<Self>) -> Result<()> {
        let LeaseAcknowledger { session, sequence } = *self;
        let (shared, consumer) = (&session.shared, session.consumer.clone());
        let acknowledged = shared
            .database
            .write(move |transaction| queries::acknowledge(transaction, sequence, &consumer))
            .await;
        let acknowledged = shared
            .available(acknowledged)
            .inspect_err(|_| session.unwritten().push(sequence));
        // Also after a failure: the acknowledgement is written when more messages are taken.
        session.room.add_permits(1);
        match acknowledged? {
            true => Ok(()),
            false => Err(shared
                .unavailable("the consumer that took the message is gone; it is delivered again")),
        }
    }
}
