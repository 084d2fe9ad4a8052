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
    connection::{ServerLink, is_missing},
    properties::{name, properties_of},
    topology::PublishTarget,
};
use crate::{Error, Message, Result};

/// Number of channels, and so of calls that publish at the same time. More calls wait for a
/// channel.
const MAX_CHANNELS: usize = 16;

/// Number of messages of a call that are sent ahead of their confirms.
const MAX_UNCONFIRMED: usize = 100;

/// Publishes over a pool of channels, and waits for the broker's confirms.
pub(super) struct ConfirmingPublisher {
    link: Arc<ServerLink>,
    channels: Pool<ChannelFactory>,
}

impl ConfirmingPublisher {
    pub(super) fn new(link: Arc<ServerLink>) -> Result<ConfirmingPublisher> {
        let channels = Pool::builder(ChannelFactory {
            link: Arc::clone(&link),
        })
        .max_size(MAX_CHANNELS)
        .build();
        let channels = channels.map_err(|error| link.unavailable(error))?;
        Ok(ConfirmingPublisher { link, channels })
    }

    /// Publishes all messages and returns when the broker has confirmed every one of them.
    ///
    /// A channel may turn out to be lost only when it is used, so everything is published again
    /// after the first failure to reach the broker. That can duplicate messages, and never lose
    /// one.
    pub(super) async fn publish(&self, target: &PublishTarget, messages: &[Message]) -> Result<()> {
        match self.try_to_publish(target, messages).await {
            Err(Error::Unavailable { .. }) => self.try_to_publish(target, messages).await,
            outcome => outcome,
        }
    }

    async fn try_to_publish(&self, target: &PublishTarget, messages: &[Message]) -> Result<()> {
        let mut channel = self
            .channels
            .get()
            .await
            .map_err(|error| self.without_channel(error))?;
        channel.is_quiet = false;
        let result = self.publish_on(&channel.channel, target, messages).await;
        channel.is_quiet = result.is_ok();
        match result? {
            ConfirmResult::Stored => Ok(()),
            ConfirmResult::Full => Err(Error::Full(target.to.clone())),
            ConfirmResult::Unroutable => Err(Error::Unroutable(target.to.clone())),
        }
    }

    async fn publish_on(
        &self,
        channel: &Channel,
        target: &PublishTarget,
        messages: &[Message],
    ) -> Result<ConfirmResult> {
        let refusal = |error| self.refusal(target, error);
        if let Some(queue) = &target.bounded
            && count_waiting(channel, name(queue)?)
                .await
                .map_err(refusal)?
                >= target.limit
        {
            return Ok(ConfirmResult::Full);
        }
        let (exchange, key) = (name(&target.exchange)?, name(&target.routing_key)?);
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

    fn refusal(&self, target: &PublishTarget, error: lapin::Error) -> Error {
        if is_missing(&error) {
            Error::Unroutable(target.to.clone())
        } else {
            self.link.unavailable(error)
        }
    }
}

/// Number of messages in a queue that no consumer has taken.
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

/// The meaning of the confirms of a call's messages, the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConfirmResult {
    Stored,
    Full,
    Unroutable,
}

/// Sends messages and awaits their confirms. After the first message that was not stored no more
/// are sent, but all confirms are still awaited: no answer is outstanding on the channel when this
/// returns `Ok`.
async fn publish_and_confirm(
    channel: &Channel,
    exchange: ShortString,
    key: ShortString,
    messages: &[Message],
) -> lapin::Result<ConfirmResult> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let mut result = ConfirmResult::Stored;
    let mut unconfirmed = FuturesUnordered::new();
    let mut left = messages.iter();
    loop {
        while result == ConfirmResult::Stored
            && unconfirmed.len() < MAX_UNCONFIRMED
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
            unconfirmed.push(sending.await?);
        }
        let Some(confirmation) = unconfirmed.next().await else {
            return Ok(result);
        };
        match confirmation? {
            Confirmation::Ack(None) => {}
            // A returned message may come with the confirm of another message. So each call has a
            // channel to itself, on which all messages take the same route.
            Confirmation::Ack(Some(_)) => result = ConfirmResult::Unroutable,
            Confirmation::Nack(_) | Confirmation::NotRequested => result = ConfirmResult::Full,
        }
    }
}

/// Opens channels with confirms, and keeps those on which no answer is outstanding.
struct ChannelFactory {
    link: Arc<ServerLink>,
}

struct PooledChannel {
    channel: Channel,
    /// False while an answer is outstanding, because a call failed or was cancelled: it would be
    /// taken for an answer to the next call.
    is_quiet: bool,
}

impl Manager for ChannelFactory {
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
            is_quiet: true,
        })
    }

    async fn recycle(&self, channel: &mut PooledChannel, _: &Metrics) -> RecycleResult<Error> {
        if channel.is_quiet && channel.channel.status().connected() {
            Ok(())
        } else {
            Err(RecycleError::message(
                "the channel is closed or has answers outstanding",
            ))
        }
    }
}
