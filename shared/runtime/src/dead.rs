//! Making dead letters of records.

use bytes::Bytes;
use jiff::Timestamp;
use pomost_broker::{Broker, Message, Queue, Route};
use pomost_models::{
    Batch, DeadLetter, DeadLetterReason, Record, Stage, dead_letter::DEAD_LETTERS_TYPE,
};
use pomost_project::{Flow, flow::ChangeOrder};
use tracing::Span;

use crate::{outbox, telemetry};

/// Why a record is given up.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// What kind of failure it was.
    pub reason: DeadLetterReason,
    /// What went wrong, masked.
    pub error: String,
    /// The JSON pointer of the field at fault.
    pub pointer: Option<String>,
}

/// What dead letters tell of the flow that their records died under.
#[derive(Debug, Clone)]
pub struct Under {
    version: String,
    newest_alone: bool,
}

impl From<&Flow> for Under {
    fn from(flow: &Flow) -> Under {
        Under {
            version: flow.version.clone(),
            newest_alone: flow.load.order == ChangeOrder::Latest,
        }
    }
}

/// The dead letter of one record of a batch, in the trace of the current span. A process that does not know the flow
/// cannot tell what it is `under`.
///
/// That of a row that was told has no key: the flow reads the key from what the source says when it is asked, and what
/// it finds in the row as it was told may be another record's.
pub fn letter(
    under: Option<Under>,
    batch: &Batch,
    record: Record,
    stage: Stage,
    diagnosis: Diagnosis,
) -> DeadLetter {
    let id = DeadLetter::id_of(batch.run, &batch.id, stage, &record);
    let record = match record.awaits_fetch(stage) {
        true => Record {
            key: String::new(),
            ..record
        },
        false => record,
    };
    let (flow_version, newest_alone) = under
        .map(|under| (under.version, under.newest_alone))
        .unzip();
    DeadLetter {
        id,
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
        flow_version,
        latest_only: newest_alone.unwrap_or_default(),
    }
}

/// How many bytes of records one message of dead letters holds, unless it holds one letter.
const MAX_BYTES: usize = 1024 * 1024;

/// Publishes dead letters, together where they are not too long for one message.
pub async fn publish(
    broker: &dyn Broker,
    letters: &[DeadLetter],
) -> Result<(), pomost_broker::Error> {
    if letters.is_empty() {
        return Ok(());
    }
    let mut held = 0;
    let together = letters.chunk_by(|one, next| {
        held += bytes_of(one);
        let fits = held + bytes_of(next) <= MAX_BYTES;
        held = if fits { held } else { 0 };
        fits
    });
    outbox::publish(
        broker,
        &Route::to(Queue::Dead),
        together.map(message).collect(),
    )
    .await
}

fn bytes_of(letter: &DeadLetter) -> usize {
    letter.record.as_ref().map_or(0, Record::bytes)
}

fn message(letters: &[DeadLetter]) -> Message {
    Message {
        id: letters
            .first()
            .map(|letter| letter.id.clone())
            .unwrap_or_default(),
        kind: DEAD_LETTERS_TYPE.to_owned(),
        body: Bytes::from(DeadLetter::encode(letters)),
        traceparent: telemetry::traceparent(&Span::current()),
    }
}
