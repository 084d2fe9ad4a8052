//! Making dead letters of records.

use bytes::Bytes;
use jiff::Timestamp;
use pomost_broker::{Broker, Message, Queue, Route};
use pomost_models::{Batch, DeadLetter, Reason, Record, Stage, dead_letter::DEAD_LETTERS_TYPE};
use tracing::Span;

use crate::{outbox, telemetry};

/// Why a record is given up.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// What kind of failure it was.
    pub reason: Reason,
    /// What went wrong, masked.
    pub error: String,
    /// The JSON pointer of the field at fault.
    pub pointer: Option<String>,
}

/// The dead letter of one record of a batch, in the trace of the current span.
pub fn letter(batch: &Batch, record: Record, stage: Stage, diagnosis: Diagnosis) -> DeadLetter {
    DeadLetter {
        id: DeadLetter::id_of(batch.run, &batch.id, stage, &record),
        flow: batch.flow.clone(),
        run: batch.run,
        batch: batch.id.clone(),
        size: batch.size,
        stage,
        reason: diagnosis.reason,
        error: diagnosis.error,
        pointer: diagnosis.pointer,
        attempts: batch.attempt + 1,
        traceparent: telemetry::traceparent(&Span::current()),
        died_at: Timestamp::now(),
        record: Some(record),
        message: None,
    }
}

/// Publishes dead letters, in one message.
pub async fn publish(broker: &dyn Broker, letters: &[DeadLetter]) -> Result<(), pomost_broker::Error> {
    let Some(first) = letters.first() else { return Ok(()) };
    let message = Message {
        id: first.id.clone(),
        kind: DEAD_LETTERS_TYPE.to_owned(),
        body: Bytes::from(DeadLetter::encode(letters)),
        traceparent: telemetry::traceparent(&Span::current()),
    };
    outbox::publish(broker, &Route::to(Queue::Dead), vec![message]).await
}
