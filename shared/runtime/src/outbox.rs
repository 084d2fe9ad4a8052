//! Publishing batches, and noting their changes where the flow applies every change.

use bytes::Bytes;
use pomost_broker::{Broker, Error, Message, Queue, Route};
use pomost_models::{Batch, DeadLetter, Stage, batch::BATCH_TYPE};
use pomost_project::{Flow, flow::ChangeOrder};
use tracing::{Instrument, info_span};

use crate::{Backends, dead_letters, handler::HandlerError, publishing, telemetry};

/// Number of bytes of records that one message holds at most, unless it holds one record. Brokers
/// refuse messages above 16 MiB (RabbitMQ 4), and workers hold several messages at a time in
/// memory.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Publishes records that enter a flow, as batches of one run and one lane, and the dead letters of
/// rows that could not become records of them. Where the flow applies every change, later changes
/// of their keys wait for these from now on. A delivered row that the source has yet to be asked
/// about has no version so far, so its change is noted only when the source has been asked.
pub async fn publish_entering(
    backends: &Backends,
    flow: &Flow,
    stage: Stage,
    batches: &[&Batch],
    letters: &[DeadLetter],
) -> Result<(), HandlerError> {
    let changes = match flow.load.order {
        ChangeOrder::Latest => Vec::new(),
        ChangeOrder::Every => {
            let entering = batches
                .iter()
                .filter(|_| stage > Stage::Extract)
                .map(|batch| changes_of(batch));
            entering.chain(letters.iter().filter_map(change)).collect()
        }
    };
    let changes: Vec<&Batch> = changes.iter().collect();
    if !changes.is_empty() {
        backends.store.expect_changes(&changes).await?;
    }
    let broker = &*backends.broker;
    if let Some(first) = batches.first() {
        publish_batches(broker, &Route::to(Queue::for_batch(stage, first)), batches).await?;
    }
    dead_letters::publish(broker, letters).await?;
    if !changes.is_empty() {
        backends.store.confirm_changes(&changes).await?;
    }
    Ok(())
}

/// The changes of a batch. Its records may come in several messages, each of which knows nothing of
/// the others. So the changes of each message are noted under a name of their own, which is the
/// same when the message comes again.
fn changes_of(batch: &Batch) -> Batch {
    let first_slot = batch.records.first().map_or(0, |record| record.slot);
    Batch {
        id: batch.id.of_message(first_slot),
        ..batch.without_data()
    }
}

/// The change of a dead letter's record, where its key could be read.
fn change(letter: &DeadLetter) -> Option<Batch> {
    let record = letter
        .record
        .as_ref()
        .filter(|record| !record.key.is_empty())?;
    let (flow, batch, records) = (
        letter.flow.clone(),
        letter.batch.clone(),
        vec![record.without_data()],
    );
    Some(Batch {
        size: letter.size,
        ..Batch::new(flow, letter.run, batch, records)
    })
}

/// Publishes batches along one route, in a producer span that the batches' consumers continue.
pub async fn publish_batches(
    broker: &dyn Broker,
    route: &Route,
    batches: &[&Batch],
) -> Result<(), Error> {
    if batches.is_empty() {
        return Ok(());
    }
    let span = info_span!(
        target: telemetry::STAGE_SPANS,
        "send",
        otel.name = %format_args!("send {}", route.to),
        otel.kind = "producer",
        messaging.system = broker.system(),
        messaging.operation.name = "send",
        messaging.operation.r#type = "send",
        messaging.destination.name = %route.to,
        messaging.batch.message_count = batches.len(),
    );
    let traceparent = telemetry::traceparent(&span);
    let parts = batches
        .iter()
        .flat_map(|batch| batch.split_by_bytes(MAX_BYTES));
    let messages = parts
        .map(|batch| message(&batch, traceparent.clone()))
        .collect();
    publishing::publish(broker, route, messages)
        .instrument(span)
        .await
}

fn message(batch: &Batch, traceparent: Option<String>) -> Message {
    Message {
        id: format!("{}/{}/{}", batch.run, batch.id, batch.attempt),
        kind: BATCH_TYPE.to_owned(),
        body: Bytes::from(batch.encode()),
        traceparent,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Operation, Record, RunId, Version};
    use serde_json::value::RawValue;

    use super::*;

    fn message(slots: &[u32]) -> Batch {
        let record = |slot: &u32| Record {
            slot: *slot,
            key: slot.to_string(),
            version: Version::new("1"),
            op: Operation::Upsert,
            data: RawValue::NULL.to_owned(),
            source: None,
        };
        let records = slots.iter().map(record).collect();
        Batch::new("things", RunId::generate(), "0.0", records)
    }

    #[test]
    fn messages_of_one_batch_are_noted_by_names_of_their_own() {
        let names =
            [&[0, 1][..], &[2, 3], &[2, 3], &[3]].map(|slots| changes_of(&message(slots)).id);
        assert_eq!(names, ["0.0", "0.0/2", "0.0/2", "0.0/3"]);
    }
}
