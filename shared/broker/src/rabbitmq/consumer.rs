//! Consuming, across the broker's restarts.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::{StreamExt, future::BoxFuture, stream::Fuse};
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};

use super::{
    connection::{ServerLink, is_missing},
    declare::declare,
    properties::{message_of, name, poisoned},
    topology::BrokerTopology,
};
use crate::{Consumer, Delivery, Error, Queue, Result, message::Acknowledge};

/// The pauses between attempts to consume again grow from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The time within which the broker has to confirm that it delivers no more.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// A consumer that opens a channel again whenever it loses one, until it is stopped.
pub(super) struct RabbitMqConsumer {
    source: Arc<ConsumerSource>,
    state: ConsumerState,
}

enum ConsumerState {
    Open(OpenChannel),
    /// The opening is kept here and not in `next`, so that cancelling a wait does not start it
    /// over.
    Opening(BoxFuture<'static, OpenChannel>),
    /// The broker delivers no more, and the messages that it delivered before are returned.
    Stopping(OpenChannel),
    Stopped,
}

/// The queue that is consumed, and the way to it.
pub(super) struct ConsumerSource {
    pub(super) link: Arc<ServerLink>,
    pub(super) topology: BrokerTopology,
    pub(super) queue: Queue,
    pub(super) prefetch: u16,
}

/// A channel that consumes. When it is dropped, all its unacknowledged messages return to their
/// queue.
struct OpenChannel {
    channel: Channel,
    deliveries: Fuse<lapin::Consumer>,
}

impl RabbitMqConsumer {
    pub(super) async fn open(source: ConsumerSource) -> Result<RabbitMqConsumer> {
        let opened = source.open().await?;
        Ok(RabbitMqConsumer {
            source: Arc::new(source),
            state: ConsumerState::Open(opened),
        })
    }

    fn reopen(&mut self, reason: &str) {
        let queue = &self.source.queue;
        tracing::warn!(%queue, reason, "the broker stopped delivering; consuming again as soon as it is back");
        self.state = ConsumerState::Opening(Box::pin(Arc::clone(&self.source).open_again()));
    }
}

#[async_trait]
impl Consumer for RabbitMqConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            match &mut self.state {
                ConsumerState::Open(opened) => match opened.deliveries.next().await {
                    Some(Ok(delivery)) if delivery.acker.usable() => {
                        return Some(self.source.delivery(delivery));
                    }
                    // The delivery was on its way when its channel was lost, and comes again.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => self.reopen(&error.to_string()),
                    None => self.reopen("the broker cancelled the consumer"),
                },
                ConsumerState::Opening(opening) => self.state = ConsumerState::Open(opening.await),
                ConsumerState::Stopping(opened) => match opened.deliveries.next().await {
                    Some(Ok(delivery)) if delivery.acker.usable() => {
                        return Some(self.source.delivery(delivery));
                    }
                    Some(_) => {}
                    // The channel stays open for acknowledgements that are still to come.
                    None => return None,
                },
                ConsumerState::Stopped => return None,
            }
        }
    }

    async fn stop(&mut self) {
        self.state = match std::mem::replace(&mut self.state, ConsumerState::Stopped) {
            ConsumerState::Open(opened) => {
                opened.cancel().await;
                ConsumerState::Stopping(opened)
            }
            ConsumerState::Opening(_) => ConsumerState::Stopped,
            stopped => stopped,
        };
    }
}

impl ConsumerSource {
    async fn open(&self) -> Result<OpenChannel> {
        let channel = self.link.open_channel().await?;
        let queue = name(&self.topology.queue_name(&self.queue))?;
        let opening = async {
            channel
                .basic_qos(self.prefetch.max(1), BasicQosOptions::default())
                .await?;
            let (tag, options) = ("".into(), BasicConsumeOptions::default());
            channel
                .basic_consume(queue, tag, options, FieldTable::default())
                .await
        };
        match opening.await {
            Ok(deliveries) => Ok(OpenChannel {
                channel,
                deliveries: deliveries.fuse(),
            }),
            Err(error) if is_missing(&error) => Err(Error::Unroutable(self.queue.clone())),
            Err(error) => Err(self.link.unavailable(error)),
        }
    }

    async fn open_again(self: Arc<Self>) -> OpenChannel {
        let mut pauses = pauses();
        loop {
            tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
            match self.open().await {
                Ok(opened) => {
                    tracing::info!(queue = %self.queue, "consuming again");
                    return opened;
                }
                Err(Error::Unroutable(_)) => self.declare_again().await,
                Err(error) => tracing::debug!(queue = %self.queue, %error, "still not consuming"),
            }
        }
    }

    /// Declares the queue again, which somebody has deleted.
    async fn declare_again(&self) {
        let flows = match &self.queue {
            Queue::Work { flow, .. } => vec![flow.clone()],
            Queue::Dead => Vec::new(),
        };
        if let Err(error) = declare(&self.link, &self.topology, &flows).await {
            tracing::warn!(queue = %self.queue, %error, "the queue is gone and cannot be declared");
        }
    }

    fn delivery(&self, mut delivery: lapin::message::Delivery) -> Delivery {
        let message = message_of(&delivery.properties, std::mem::take(&mut delivery.data));
        let poisoned = poisoned(&self.queue, &delivery.properties, &self.topology);
        let redelivered = delivery.redelivered;
        let acknowledger = Box::new(ChannelAcknowledger {
            delivery,
            link: Arc::clone(&self.link),
        });
        Delivery {
            message,
            poisoned,
            redelivered,
            acknowledger,
        }
    }
}

impl OpenChannel {
    /// Tells the broker to deliver no more. After a failure the channel is lost, which ends the
    /// deliveries as well.
    async fn cancel(&self) {
        let cancelling = self.channel.basic_cancel(
            self.deliveries.get_ref().tag(),
            BasicCancelOptions::default(),
        );
        if !matches!(
            tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await,
            Ok(Ok(()))
        ) {
            tracing::debug!("the broker did not answer to the end of consuming");
        }
    }
}

struct ChannelAcknowledger {
    /// The delivery without its body.
    delivery: lapin::message::Delivery,
    link: Arc<ServerLink>,
}

#[async_trait]
impl Acknowledge for ChannelAcknowledger {
    async fn acknowledge(self: Box<Self>) -> Result<()> {
        match self.delivery.acker.ack(BasicAckOptions::default()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.link.unavailable(
                "the channel that delivered the message is gone; it is delivered again",
            )),
            Err(error) => Err(self.link.unavailable(error)),
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
