//! The archive: moves dead letters from their queue into the store.
//!
//! Letters come from the services, with a diagnosis, or from the broker, as batches that kept
//! killing their workers.

use std::time::Duration;

use backon::Retryable;
use pomost_broker::{Delivery, Queue};
use pomost_models::{
    DeadLetter, DeadLetterReason, Diagnosis, Outcome, Stage, dead_letter::DEAD_LETTERS_TYPE,
};
use pomost_runtime::{ServiceContext, backoff::growing_pauses, dead_letters, metrics, worker};
use pomost_store::Store;
use tracing::{error, warn};

/// Number of messages held at a time.
const PREFETCH: u16 = 8;

/// Limit for ending the consumer at shutdown.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The pauses between attempts to store letters grow from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Archives dead letters until shutdown. Letters that are not archived by then stay in the queue.
pub async fn run(context: ServiceContext) {
    let Some(mut consumer) = worker::consume(&context, &Queue::Dead, PREFETCH).await else {
        return;
    };
    while let Some(Some(delivery)) = context.shutdown.run_until_cancelled(consumer.next()).await {
        let letters = letters(&context, &delivery);
        if context
            .shutdown
            .run_until_cancelled(archive(&context, &letters))
            .await
            .is_none()
        {
            break;
        }
        count(&letters);
        if let Err(error) = delivery.acknowledge().await {
            warn!(%error, "archived dead letters will come again; they are kept once");
        }
    }
    let stopping = async {
        consumer.stop().await;
        while consumer.next().await.is_some() {}
    };
    // A broker that cannot be reached hands the messages to others by itself.
    let _ = tokio::time::timeout(STOP_TIMEOUT, stopping).await;
}

/// Tries until the store has the letters: there is nowhere else they could go.
async fn archive(context: &ServiceContext, letters: &[DeadLetter]) {
    let backoff = growing_pauses(FIRST_PAUSE, LONGEST_PAUSE);
    let archived = (|| store_letters(context.store(), letters))
        .retry(backoff)
        .notify(|error, _| warn!(%error, "dead letters wait for the store"))
        .await;
    if let Err(error) = archived {
        error!(%error, "dead letters were not archived");
    }
}

/// Stores letters, and closes those whose records were outdated by newer ones while the letters
/// were on their way.
async fn store_letters(
    store: &dyn Store,
    letters: &[DeadLetter],
) -> Result<(), pomost_store::Error> {
    store.archive_dead_letters(letters).await?;
    for of_flow in letters.chunk_by(|one, next| one.flow == next.flow) {
        let keys: Vec<&str> = of_flow
            .iter()
            .map(DeadLetter::key)
            .filter(|key| !key.is_empty())
            .collect();
        store
            .supersede_dead_letters(&of_flow[0].flow, &keys)
            .await?;
    }
    Ok(())
}

fn letters(context: &ServiceContext, delivery: &Delivery) -> Vec<DeadLetter> {
    match &delivery.poisoned {
        Some(queue) => poisoned(context, delivery, queue),
        None => decoded(delivery).unwrap_or_else(|| {
            vec![worker::unreadable_letter(
                delivery,
                &Queue::Dead,
                "not a message of dead letters".into(),
            )]
        }),
    }
}

/// Decodes the letters that a service wrote.
fn decoded(delivery: &Delivery) -> Option<Vec<DeadLetter>> {
    let message = &delivery.message;
    let letters: Vec<DeadLetter> = (message.kind == DEAD_LETTERS_TYPE)
        .then(|| serde_json::from_slice(&message.body).ok())
        .flatten()?;
    letters
        .iter()
        .all(|letter| worker::has_valid_slots(letter.size, &letter.record))
        .then_some(letters)
}

/// Makes a letter of every record of a batch that the broker gave up, since its workers kept dying.
fn poisoned(context: &ServiceContext, delivery: &Delivery, queue: &Queue) -> Vec<DeadLetter> {
    let stage = queue.stage().unwrap_or(Stage::Load);
    let diagnosis = Diagnosis::new(
        DeadLetterReason::Poison,
        format!("the {stage} worker died on this record's batch again and again"),
    );
    match worker::decode(delivery) {
        Ok(mut batch) => {
            let records = std::mem::take(&mut batch.records);
            let under = context.letter_flow(&batch.flow);
            let letter = |record| DeadLetter {
                traceparent: delivery.message.traceparent.clone(),
                ..dead_letters::of_record(under.clone(), &batch, record, stage, diagnosis.clone())
            };
            records.into_iter().map(letter).collect()
        }
        Err(reason) => vec![worker::unreadable_letter(delivery, queue, reason)],
    }
}

fn count(letters: &[DeadLetter]) {
    for letter in letters {
        metrics::count_settled(&letter.flow, letter.stage, Outcome::Dead, 1);
    }
}
