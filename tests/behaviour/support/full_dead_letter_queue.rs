//! A broker whose dead-letter queue is full.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use pomost_broker::{Broker, Consumer, Error, Message, Queue, Result, Route};

/// A broker whose dead-letter queue is full.
pub(crate) struct FullDeadLetterQueue {
    broker: Arc<dyn Broker>,
    refused: Arc<AtomicUsize>,
}

impl FullDeadLetterQueue {
    /// Wraps a broker; `refused` counts the publishes that were refused.
    pub(crate) fn before(
        broker: Arc<dyn Broker>,
        refused: &Arc<AtomicUsize>,
    ) -> Arc<FullDeadLetterQueue> {
        Arc::new(FullDeadLetterQueue {
            broker,
            refused: refused.clone(),
        })
    }
}

#[async_trait]
impl Broker for FullDeadLetterQueue {
    fn system(&self) -> &'static str {
        self.broker.system()
    }

    async fn ping(&self) -> Result<()> {
        self.broker.ping().await
    }

    async fn declare(&self, flows: &[String]) -> Result<()> {
        self.broker.declare(flows).await
    }

    async fn publish(&self, route: &Route, messages: Vec<Message>) -> Result<()> {
        if route.to == Queue::Dead {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Full(route.to.clone()));
        }
        self.broker.publish(route, messages).await
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.broker.consume(queue, prefetch).await
    }
}
