//! Publishing with confirms.

use std::sync::Arc;

use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};

use super::{
    connection::{Link, is_missing},
    properties::{name, properties_of},
    topology::Destination,
};
use crate::{Error, Message, Result};

/// How many calls publish at the same time; the others wait their turn.
const CHANNELS: usize = 16;

/// How many messages of a call are on their way unconfirmed.
const WINDOW: usize = 100;

/// Publishes over a pool of channels.
pub(super) struct Publisher {
    link: Arc<Link>,
    channels: Pool<Channels>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Result<Publisher> {
        let channels = Pool::builder(Channels {
            link: Arc::clone(&link),
        })
        .max_size(CHANNELS)
        .build();
        let channels = channels.map_err(|error| link.unavailable(error))?;
        Ok(Publisher { link, channels })
    }

    /// Publishes all messages and returns when the broker has confirmed every one of them.
    ///
    /// A channel may turn out to be dead only when it is used, so the first failure to reach the
    /// broker is tried again over. That can only duplicate.
    pub(super) async fn publish(
        &self,
        destination: &Destination,
        messages: &[Message],
    ) -> Result<()> {
        match self.try_to_publish(destination, messages).await {
            Err(Error::Unavailable { .. }) => self.try_to_publish(destination, messages).await,
            outcome => outcome,
        }
    }

    async fn try_to_publish(&self, destination: &Destination, messages: &[Message]) -> Result<()> {
        let mut channel = self
            .channels
            .get()
            .await
            .map_err(|error| self.without_channel(error))?;
        channel.quiet = false;
        let verdict = self
            .publish_on(&channel.channel, destination, messages)
            .await;
        channel.quiet = verdict.is_ok();
        match verdict? {
            Verdict::Stored => Ok(()),
            Verdict::Full => Err(Error::Full(destination.to.clone())),
            Verdict::Unroutable => Err(Error::Unroutable(destination.to.clone())),
        }
    }

    async fn publish_on(
        &self,
        channel: &Channel,
        destination: &Destination,
        messages: &[Message],
    ) -> Result<Verdict> {
        let refusal = |error| self.refusal(destination, error);
        if let Some(queue) = &destination.bounded
            && count_waiting(channel, name(queue)?)
                .await
                .map_err(refusal)?
                >= destination.limit
        {
            return Ok(Verdict::Full);
        }
        let (exchange, key) = (
            name(&destination.exchange)?,
            name(&destination.routing_key)?,
        );
        publish_and_confirm(channel, exchange, key, messages)
            .await
            .map_err(refusal)
    }

    fn without_channel(&self, error: PoolError<Error>) -> Error {
        match error {
            PoolError::Backend(error) => error,
            other => self.link.unavailable(other),
        }
    }

    fn refusal(&self, destination: &Destination, error: lapin::Error) -> Error {
        if is_missing(&error) {
            Error::Unroutable(destination.to.clone())
        } else {
            self.link.unavailable(error)
        }
    }
}

/// How many messages a queue holds that nobody has taken.
async fn count_waiting(channel: &Channel, queue: ShortString) -> lapin::Result<u32> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    Ok(channel
        .queue_declare(queue, options, FieldTable::default())
        .await?
        .message_count())
}

/// What the confirms say of all messages of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stored,
    Full,
    Unroutable,
}

/// After the first message that was not stored no more are sent, but the confirms of those on
/// their way are still awaited: the channel is quiet when this returns `Ok`.
async fn publish_and_confirm(
    channel: &Channel,
    exchange: ShortString,
    key: ShortString,
    messages: &[Message],
) -> lapin::Result<Verdict> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let mut verdict = Verdict::Stored;
    let mut on_their_way = FuturesUnordered::new();
    let mut left = messages.iter();
    loop {
        while verdict == Verdict::Stored
            && on_their_way.len() < WINDOW
            && let Some(message) = left.next()
        {
            let properties = properties_of(message);
            let sending = channel.basic_publish(
                exchange.clone(),
                key.clone(),
                options,
                &message.body,
                properties,
            );
            on_their_way.push(sending.await?);
        }
        let Some(confirmation) = on_their_way.next().await else {
            return Ok(verdict);
        };
        match confirmation? {
            Confirmation::Ack(None) => {}
            // A returned message may come with the confirm of another, which is why a call has its
            // channel to itself: all its messages take the same route.
            Confirmation::Ack(Some(_)) => verdict = Verdict::Unroutable,
            Confirmation::Nack(_) | Confirmation::NotRequested => verdict = Verdict::Full,
        }
    }
}

/// Makes channels with confirms on, and keeps those that are in order.
struct Channels {
    link: Arc<Link>,
}

struct PooledChannel {
    channel: Channel,
    /// Whether no answer is outstanding. One that is, because a call failed or was cancelled, would
    /// be taken for an answer to the next call.
    quiet: bool,
}

impl Manager for Channels {
    type Type = PooledChannel;
    type Error = Error;

    async fn create(&self) -> Result<PooledChannel> {
        let channel = self.link.open_channel().await?;
        let selected = channel
            .confirm_select(ConfirmSelectOptions::default())
            .await;
        selected.map_err(|error| self.link.unavailable(error))?;
        Ok(PooledChannel {
            channel,
            quiet: true,
        })
    }

    async fn recycle(&self, channel: &mut PooledChannel, _: &Metrics) -> RecycleResult<Error> {
        if channel.quiet && channel.channel.status().connected() {
            Ok(())
        } else {
            Err(RecycleError::message(
                "the channel is closed or has answers outstanding",
            ))
        }
    }
}
