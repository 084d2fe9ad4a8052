//! Declaring and deleting the exchanges and queues of the topology.

use lapin::{
    Channel, ExchangeKind,
    options::{
        ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    connection::{ServerLink, is_incompatible},
    properties::name,
    topology::{
        BrokerTopology, ExchangeDefinition, ExchangeKind as Kind, QueueArgument, QueueDefinition,
    },
};
use crate::{Error, Result};

/// Declares everything that these flows need. Queues that exist stay as they are.
pub(super) async fn declare(
    link: &ServerLink,
    topology: &BrokerTopology,
    flows: &[String],
) -> Result<()> {
    let channel = link.open_channel().await?;
    for exchange in topology.exchanges() {
        let outcome = declare_exchange(&channel, &exchange, name(&exchange.name)?).await;
        outcome.map_err(|error| refusal(link, &exchange.name, error))?;
    }
    for queue in topology.queues(flows) {
        let outcome = declare_queue(&channel, &queue, name(&queue.name)?).await;
        outcome.map_err(|error| refusal(link, &queue.name, error))?;
    }
    Ok(())
}

async fn declare_exchange(
    channel: &Channel,
    exchange: &ExchangeDefinition,
    name: ShortString,
) -> lapin::Result<()> {
    let kind = match exchange.kind {
        Kind::Direct => ExchangeKind::Direct,
        Kind::Fanout => ExchangeKind::Fanout,
        Kind::Topic => ExchangeKind::Topic,
    };
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(name.clone(), kind, options, FieldTable::default())
        .await?;
    let Some(binding) = &exchange.binding else {
        return Ok(());
    };
    let (source, key) = (
        binding.exchange.as_str().into(),
        binding.routing_key.as_str().into(),
    );
    channel
        .exchange_bind(
            name,
            source,
            key,
            ExchangeBindOptions::default(),
            FieldTable::default(),
        )
        .await
}

async fn declare_queue(
    channel: &Channel,
    queue: &QueueDefinition,
    name: ShortString,
) -> lapin::Result<()> {
    channel
        .queue_declare(
            name.clone(),
            QueueDeclareOptions::durable(),
            arguments(queue),
        )
        .await?;
    for binding in &queue.bindings {
        let (exchange, key) = (
            binding.exchange.as_str().into(),
            binding.routing_key.as_str().into(),
        );
        channel
            .queue_bind(
                name.clone(),
                exchange,
                key,
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    Ok(())
}

fn arguments(queue: &QueueDefinition) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in &queue.arguments {
        let value = match argument {
            QueueArgument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            QueueArgument::Number(number) => AMQPValue::LongLongInt(i64::from(*number)),
        };
        table.insert((*name).into(), value);
    }
    table
}

fn refusal(link: &ServerLink, what: &str, error: lapin::Error) -> Error {
    if is_incompatible(&error) {
        Error::Incompatible {
            what: what.to_owned(),
            reason: error.to_string(),
        }
    } else {
        link.unavailable(error)
    }
}

/// Deletes everything that [`declare`] declares.
pub(super) async fn delete(
    link: &ServerLink,
    topology: &BrokerTopology,
    flows: &[String],
) -> Result<()> {
    let channel = link.open_channel().await?;
    for queue in topology.queues(flows) {
        let deleted = channel
            .queue_delete(name(&queue.name)?, QueueDeleteOptions::default())
            .await;
        deleted.map_err(|error| link.unavailable(error))?;
    }
    for exchange in topology.exchanges() {
        let deleted = channel
            .exchange_delete(name(&exchange.name)?, ExchangeDeleteOptions::default())
            .await;
        deleted.map_err(|error| link.unavailable(error))?;
    }
    Ok(())
}
