//! Making and publishing dead letters.

use bytes::Bytes;
use jiff::Timestamp;
use pomost_broker::{Broker, Message, Queue, Route};
use pomost_models::{Batch, DeadLetter, Diagnosis, Record, Stage, dead_letter::DEAD_LETTERS_TYPE};
use pomost_project::{Flow, flow::ChangeOrder};
use tracing::Span;

use crate::{publishing, telemetry};

/// The part of a flow that dead letters carry: the version of its files, and whether a letter
/// replaces older ones.
#[derive(Debug, Clone)]
pub struct LetterFlow {
    version: String,
    /// True where only the newest version of a key is applied, so that a letter replaces those of
    /// older versions.
    latest_only: bool,
}

impl From<&Flow> for LetterFlow {
    fn from(flow: &Flow) -> LetterFlow {
        LetterFlow {
            version: flow.version.clone(),
            latest_only: flow.load.order == ChangeOrder::Latest,
        }
    }
}

/// Makes the dead letter of one record of a batch, in the trace of the current span. A process that
/// does not know the flow gives none.
///
/// The letter of a delivered row that the source has yet to be asked about has no key. The flow
/// reads the key from the source's answer, and a key in the delivered row may be another record's.
pub fn of_record(
    flow: Option<LetterFlow>,
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
    let (flow_version, latest_only) = flow.map(|flow| (flow.version, flow.latest_only)).unzip();
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
        latest_only: latest_only.unwrap_or_default(),
    }
}

/// Number of bytes of records that one message of dead letters holds at most, unless it holds one
/// letter.
const MAX_BYTES: usize = 1024 * 1024;

/// Publishes dead letters, several in a message where they are short enough.
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
    publishing::publish(
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
