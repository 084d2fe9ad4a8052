//! A broker that does not take everything.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use async_trait::async_trait;
use pomost_broker::{Broker, Consumer, Error, Message, Queue, Route};

/// A broker that takes some messages and then no more, or one whose delays are not there for a while.
pub(crate) struct Refusing {
    broker: Arc<dyn Broker>,
    takes: Option<usize>,
    delays: usize,
    delayed: Mutex<Vec<Instant>>,
}

impl Refusing {
    /// Takes as many messages of a call as said and refuses the next one.
    pub(crate) fn after(messages: usize, broker: Arc<dyn Broker>) -> Arc<Refusing> {
        Arc::new(Refusing {
            broker,
            takes: Some(messages),
            delays: 0,
            delayed: Mutex::default(),
        })
    }

    /// Refuses the first message for the loader, and to delay it so many times.
    pub(crate) fn to_delay(times: usize, broker: Arc<dyn Broker>) -> Arc<Refusing> {
        Arc::new(Refusing {
            broker,
            takes: None,
            delays: times,
            delayed: Mutex::default(),
        })
    }

    /// When it was asked to delay something.
    pub(crate) fn delayed(&self) -> Vec<Instant> {
        self.delayed.lock().unwrap().clone()
    }

    /// Whether a message along this route is refused.
    fn refuses(&self, route: &Route) -> bool {
        let mut delayed = self.delayed.lock().unwrap();
        match route.delay {
            Some(_) => {
                delayed.push(Instant::now());
                delayed.len() <= self.delays
            }
            None => delayed.is_empty() && route.to.to_string().starts_with("load."),
        }
    }
}

#[async_trait]
impl Broker for Refusing {
    fn system(&self) -> &'static str {
        self.broker.system()
    }

    async fn ping(&self) -> Result<(), Error> {
        self.broker.ping().await
    }

    async fn declare(&self, flows: &[String]) -> Result<(), Error> {
        self.broker.declare(flows).await
    }

    async fn publish(&self, route: &Route, mut messages: Vec<Message>) -> Result<(), Error> {
        let refused = || Err(Error::Unroutable(route.to.clone()));
        if let Some(takes) = self.takes {
            messages.truncate(takes);
            self.broker.publish(route, messages).await?;
            return refused();
        }
        if self.refuses(route) {
            refused()
        } else {
            self.broker.publish(route, messages).await
        }
    }

    async fn consume(&self, queue: &Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.broker.consume(queue, prefetch).await
    }
}
