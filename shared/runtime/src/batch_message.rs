//! Reading batches out of messages.

use pomost_broker::{Delivery, Queue};
use pomost_models::{Batch, DeadLetter, DeadLetterReason, Record, RunId, Stage, batch::BATCH_TYPE};

/// The most slots that a batch may have. A whole batch that its mapping split has fewer; only a
/// mistake has more.
const MAX_SLOTS: u32 = 1 << 24;

/// Reads the batch of a message. The error says what is wrong with the message, without its
/// content.
pub fn decode(delivery: &Delivery) -> Result<Batch, String> {
    let kind = &delivery.message.kind;
    if kind != BATCH_TYPE {
        return Err(format!(
            "expected a message of type {BATCH_TYPE}, found '{kind}'"
        ));
    }
    let batch: Batch = serde_json::from_slice(&delivery.message.body).map_err(|error| {
        format!(
            "not a batch: {:?} error at byte {}",
            error.classify(),
            error.column()
        )
    })?;
    match has_valid_slots(batch.size, &batch.records) {
        true => Ok(batch),
        false => Err(format!(
            "a batch of {} slots does not fit its records",
            batch.size
        )),
    }
}

/// True when a batch may have so many slots, and each of its records is in one of them. Memory is
/// reserved for every slot, so a message must not name any amount it likes.
pub fn has_valid_slots<'a>(size: u32, records: impl IntoIterator<Item = &'a Record>) -> bool {
    size <= MAX_SLOTS && records.into_iter().all(|record| record.slot < size)
}

/// The dead letter of a message in a queue that cannot be read as a batch.
pub fn unreadable_letter(delivery: &Delivery, queue: &Queue, reason: String) -> DeadLetter {
    let body = String::from_utf8_lossy(&delivery.message.body);
    let (flow, stage) = match queue {
        Queue::Work { flow, stage, .. } => (flow.clone(), *stage),
        Queue::Dead => (queue.to_string(), Stage::Load),
    };
    let died_at = jiff::Timestamp::now();
    DeadLetter {
        id: DeadLetter::id_of_message(&delivery.message.body, died_at),
        flow,
        run: RunId(Default::default()),
        batch: "".into(),
        size: 0,
        stage,
        reason: DeadLetterReason::Unreadable,
        error: reason,
        pointer: None,
        attempts: 1,
        traceparent: delivery.message.traceparent.clone(),
        died_at,
        record: None,
        message: serde_json::value::to_raw_value(&body).ok(),
        flow_version: None,
        latest_only: false,
    }
}
