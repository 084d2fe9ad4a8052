//! Publishing with patience.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use pomost_broker::{Broker, Error, Message, Queue, Route};
use pomost_models::{Batch, DeadLetter, Lane, Record, Stage, batch::BATCH_TYPE};
use pomost_project::{Flow, flow::ChangeOrder};
use tracing::{Instrument, info_span, warn};

use crate::{Backends, dead, telemetry, worker::HandlerError};

/// How long a publish is tried again. With the work before it, well under the 10 minutes for which
/// a delivery may be held unacknowledged.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many bytes of records one message holds, unless it holds one record. Brokers refuse messages
/// above 16 MiB (RabbitMQ 4), and workers hold several at a time in memory.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Publishes what comes into a flow: batches of one run and one lane, and the dead letters of what could not become
/// records of them. Where the flow applies every change, later ones of their keys wait for these from now
/// on; but of what the source has yet to be asked about, which has no version so far, only once that was done.
pub async fn enter(
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
        send(broker, &Route::to(Queue::of(stage, first)), batches).await?;
    }
    dead::publish(broker, letters).await?;
    if !changes.is_empty() {
        backends.store.confirm_changes(&changes).await?;
    }
    Ok(())
}

/// The changes of a batch. It may come in several messages at a time, and each knows nothing of the others:
/// it is noted by its own name, which it has again when it comes again.
fn changes_of(batch: &Batch) -> Batch {
    match batch.records.first() {
        Some(Record {
            slot: slot @ 1.., ..
        }) => Batch {
            id: format!("{}/{slot}", batch.id),
            ..batch.without_data()
        },
        _ => batch.without_data(),
    }
}

/// The change that a dead letter is, where its key could be read.
fn change(letter: &DeadLetter) -> Option<Batch> {
    let record = letter
        .record
        .as_ref()
        .filter(|record| !record.key.is_empty())?;
    Some(Batch {
        flow: letter.flow.clone(),
        run: letter.run,
        id: letter.batch.clone(),
        size: letter.size,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records: vec![record.without_data()],
    })
}

/// Publishes batches along one route, in a producer span that the batches' consumers continue.
pub async fn send(broker: &dyn Broker, route: &Route, batches: &[&Batch]) -> Result<(), Error> {
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
    publish(broker, route, messages).instrument(span).await
}

fn message(batch: &Batch, traceparent: Option<String>) -> Message {
    Message {
        id: format!("{}/{}/{}", batch.run, batch.id, batch.attempt),
        kind: BATCH_TYPE.to_owned(),
        body: Bytes::from(batch.encode()),
        traceparent,
    }
}

/// Publishes, and publishes again while the broker is away or the queue is full: this is how a slow
/// destination slows down the source. What comes back as an error is to be handed back.
pub async fn publish(
    broker: &dyn Broker,
    route: &Route,
    messages: Vec<Message>,
) -> Result<(), Error> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_total_delay(Some(PATIENCE))
        .with_jitter();
    (|| broker.publish(route, messages.clone()))
        .retry(backoff)
        .when(|error| matches!(error, Error::Full(_) | Error::Unavailable { .. }))
        .notify(|error, _| {
            if !matches!(error, Error::Full(_)) {
                warn!(%error, "publishing again shortly");
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Operation, RunId, Version};
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
        let (flow, run, lane) = ("things".to_owned(), RunId::generate(), Lane::Live);
        let records = slots.iter().map(record).collect();
        Batch {
            flow,
            run,
            id: "0.0".into(),
            size: 9,
            attempt: 0,
            waits: 0,
            lane,
            records,
        }
    }

    #[test]
    fn messages_of_one_batch_are_noted_by_names_of_their_own() {
        let names =
            [&[0, 1][..], &[2, 3], &[2, 3], &[3]].map(|slots| changes_of(&message(slots)).id);
        assert_eq!(names, ["0.0", "0.0/2", "0.0/2", "0.0/3"]);
    }
}
