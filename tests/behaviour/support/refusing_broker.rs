//! A broker that refuses some messages.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use async_trait::async_trait;
use pomost_broker::{Broker, Consumer, Error, Message, Queue, Route};

/// A broker that refuses some messages: each call's after the first few, or the first ones that are
/// delayed.
pub(crate) struct RefusingBroker {
    broker: Arc<dyn Broker>,
    /// Number of messages of a call that are accepted.
    accepts: Option<usize>,
    /// Number of delayed publishes that are refused.
    refused_delays: usize,
    delays: Mutex<Vec<Instant>>,
}

impl RefusingBroker {
    /// Accepts so many messages of each call and refuses the rest.
    pub(crate) fn after(messages: usize, broker: Arc<dyn Broker>) -> Arc<RefusingBroker> {
        Arc::new(RefusingBroker {
            broker,
            accepts: Some(messages),
            refused_delays: 0,
            delays: Mutex::default(),
        })
    }

    /// Refuses the first message for the loader, and then so many times to delay it.
    pub(crate) fn to_delay(times: usize, broker: Arc<dyn Broker>) -> Arc<RefusingBroker> {
        Arc::new(RefusingBroker {
            broker,
            accepts: None,
            refused_delays: times,
            delays: Mutex::default(),
        })
    }

    /// The moments at which it was asked to delay something.
    pub(crate) fn delays(&self) -> Vec<Instant> {
        self.delays.lock().unwrap().clone()
    }

    /// True where a message along this route is refused.
    fn refuses(&self, route: &Route) -> bool {
        let mut delays = self.delays.lock().unwrap();
        match route.delay {
            Some(_) => {
                delays.push(Instant::now());
                delays.len() <= self.refused_delays
            }
            None => delays.is_empty() && route.to.to_string().starts_with("load."),
        }
    }
}

#[async_trait]
impl Broker for RefusingBroker {
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
        if let Some(accepts) = self.accepts {
            messages.truncate(accepts);
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
