//! Makes what the topology describes.

use lapin::{
    Channel, ExchangeKind,
    options::{
        ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    connection::{Link, is_incompatible},
    properties::name,
    topology::{Argument, ExchangeDefinition, Kind, QueueDefinition, Topology},
};
use crate::{Error, Result};

/// Declares everything that these flows need; what is there already stays as it is.
pub(super) async fn declare(link: &Link, topology: &Topology, flows: &[String]) -> Result<()> {
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
            Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(i64::from(*number)),
        };
        table.insert((*name).into(), value);
    }
    table
}

fn refusal(link: &Link, what: &str, error: lapin::Error) -> Error {
    if is_incompatible(&error) {
        Error::Incompatible {
            what: what.to_owned(),
            reason: error.to_string(),
        }
    } else {
        link.unavailable(error)
    }
}

/// Deletes what [`declare`] makes.
pub(super) async fn delete(link: &Link, topology: &Topology, flows: &[String]) -> Result<()> {
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
