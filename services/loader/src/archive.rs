//! Moves dead letters from their queue into the store.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use pomost_broker::{Delivery, Queue};
use pomost_models::{DeadLetter, DeadLetterReason, Outcome, Stage, dead_letter::DEAD_LETTERS_TYPE};
use pomost_runtime::{
    ServiceContext,
    dead::{self, Diagnosis},
    metrics, worker,
};
use pomost_store::Store;
use tracing::{error, warn};

const PREFETCH: u16 = 8;

/// How long the consumer may take to end.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// Archives dead letters until shutdown. What is not archived by then stays in the queue.
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
    let giving_back = async {
        consumer.stop().await;
        while consumer.next().await.is_some() {}
    };
    // A broker that is away notices by itself.
    let _ = tokio::time::timeout(GIVING_BACK, giving_back).await;
}

/// Goes on until the store has them: there is nowhere else they could go.
async fn archive(context: &ServiceContext, letters: &[DeadLetter]) {
    let backoff = ExponentialBuilder::default()
        .with_max_delay(Duration::from_secs(10))
        .without_max_times();
    let archived = (|| keep(context.store(), letters))
        .retry(backoff)
        .notify(|error, _| warn!(%error, "dead letters wait for the store"))
        .await;
    if let Err(error) = archived {
        error!(%error, "dead letters were not archived");
    }
}

/// Newer versions of their records may have been applied while the letters were on their way.
async fn keep(store: &dyn Store, letters: &[DeadLetter]) -> Result<(), pomost_store::Error> {
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
        None => written(delivery).unwrap_or_else(|| {
            vec![unreadable(
                delivery,
                "dead",
                "not a message of dead letters".into(),
            )]
        }),
    }
}

/// The letters that a service wrote.
fn written(delivery: &Delivery) -> Option<Vec<DeadLetter>> {
    let message = &delivery.message;
    let letters: Vec<DeadLetter> = (message.kind == DEAD_LETTERS_TYPE)
        .then(|| serde_json::from_slice(&message.body).ok())
        .flatten()?;
    letters
        .iter()
        .all(|letter| worker::fits(letter.size, &letter.record))
        .then_some(letters)
}

/// A batch on which workers kept dying: the broker gave it up, and every record in it with it.
fn poisoned(context: &ServiceContext, delivery: &Delivery, queue: &str) -> Vec<DeadLetter> {
    let stage = stage_of(queue);
    let diagnosis = Diagnosis {
        reason: DeadLetterReason::Poison,
        error: format!("the {stage} worker died on this record's batch again and again"),
        pointer: None,
    };
    match worker::decode(delivery) {
        Ok(mut batch) => {
            let records = std::mem::take(&mut batch.records);
            let under = context.under(&batch.flow);
            let letter = |record| DeadLetter {
                traceparent: delivery.message.traceparent.clone(),
                ..dead::letter(under.clone(), &batch, record, stage, diagnosis.clone())
            };
            records.into_iter().map(letter).collect()
        }
        Err(reason) => vec![unreadable(delivery, queue, reason)],
    }
}

fn unreadable(delivery: &Delivery, queue: &str, reason: String) -> DeadLetter {
    worker::unreadable(delivery, queue, stage_of(queue), reason)
}

/// The stage is the first word of a queue's name.
fn stage_of(queue: &str) -> Stage {
    queue
        .split('.')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(Stage::Load)
}

fn count(letters: &[DeadLetter]) {
    for letter in letters {
        metrics::count_settled(&letter.flow, letter.stage, Outcome::Dead, 1);
    }
}
