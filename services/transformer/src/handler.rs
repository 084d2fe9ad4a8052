//! What the transformer does with a batch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pomost_broker::{Queue, Route};
use pomost_models::{Batch, DeadLetter, Outcome, Record, SlotOutcomes, Stage};
use pomost_project::{Flow, flow::ChangeOrder};
use pomost_runtime::{
    ServiceContext, dead, metrics, outbox,
    worker::{HandlerError, MessageHandler},
};

use crate::map::{self, Refused};

/// How long a batch is worked on. The rest is handed back: a delivery must be acknowledged within
/// 10 minutes, and each record may take the seconds that an expression has.
const AT_A_TIME: Duration = Duration::from_secs(120);

/// The delay of a rest that is handed back, in seconds.
const SHORTLY: u32 = 1;

/// Transforms the batches of one flow.
pub struct TransformHandler {
    /// What to work with.
    pub context: ServiceContext,
    /// The flow.
    pub flow: Arc<Flow>,
}

#[async_trait]
impl MessageHandler for TransformHandler {
    async fn handle(&self, batch: Batch) -> Result<(), HandlerError> {
        let flow = self.flow.clone();
        let (span, until) = (tracing::Span::current(), Instant::now() + AT_A_TIME);
        let may_go_on = move || Instant::now() < until;
        // Mapping computes for milliseconds at a time; it must not keep the sockets waiting.
        let mapping = tokio::task::spawn_blocking(move || {
            span.in_scope(|| transform(&flow, batch, may_go_on))
        });
        match mapping.await {
            Ok(transformed) => self.pass_on(transformed).await,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

impl TransformHandler {
    async fn pass_on(&self, transformed: Transformed) -> Result<(), HandlerError> {
        let Transformed {
            mapped,
            split,
            filtered,
            letters,
            outcomes,
            rest,
        } = transformed;
        let broker = self.context.broker();
        let (run, batch) = (mapped.run, mapped.id.clone());
        let next: Vec<&Batch> = [&mapped, &split]
            .into_iter()
            .filter(|batch| !batch.records.is_empty())
            .collect();
        let route = Route::to(Queue::of(Stage::Load, &mapped));
        outbox::send(broker, &route, &next).await?;
        if !rest.records.is_empty() {
            let route = Route::delayed(Queue::of(Stage::Transform, &rest), SHORTLY);
            outbox::send(broker, &route, &[&rest]).await?;
        }
        dead::publish(broker, &letters).await?;
        let store = self.context.store();
        if split.size > 0 {
            // Before the records they were split from settle, or the run could seem to have ended.
            store
                .record_outcomes(run, &split.id, &SlotOutcomes::unsettled(split.size))
                .await?;
        }
        if !outcomes.is_all_unsettled() {
            store.record_outcomes(run, &batch, &outcomes).await?;
        }
        if !filtered.is_empty() {
            store.settle_changes(&mapped.with_records(filtered)).await?;
        }
        Ok(())
    }
}

/// What became of a batch.
struct Transformed {
    /// The records that go on in their own slots.
    mapped: Batch,
    /// The records that were made by splitting, in a batch of their own.
    split: Batch,
    /// The records that end here and that later changes wait for, without their data.
    filtered: Vec<Record>,
    /// The records that could not be transformed.
    letters: Vec<DeadLetter>,
    /// The slots that end here: filtered and split.
    outcomes: SlotOutcomes,
    /// The records that there was no time for.
    rest: Batch,
}

/// One record at least, so that those that take long come to their ends as well.
fn transform(flow: &Flow, mut batch: Batch, may_go_on: impl Fn() -> bool) -> Transformed {
    let records = std::mem::take(&mut batch.records);
    let first = records.first().map_or(0, |record| record.slot);
    let mut outcomes = SlotOutcomes::unsettled(0);
    let (mut mapped, mut split, mut letters) =
        (Vec::with_capacity(records.len()), Vec::new(), Vec::new());
    let (mut filtered, every) = (Vec::new(), flow.load.order == ChangeOrder::Every);
    let mut records = records.into_iter();
    for record in records.by_ref() {
        let (slot, change) = (record.slot, every.then(|| record.without_data()));
        match map::transform(flow, batch.run, record) {
            Ok(mut outputs) => match outputs.len() {
                0 => {
                    settle(&mut outcomes, flow, slot, Outcome::Filtered);
                    filtered.extend(change);
                }
                1 => mapped.append(&mut outputs),
                _ => {
                    settle(&mut outcomes, flow, slot, Outcome::Split);
                    split.append(&mut outputs);
                }
            },
            Err(refused) => {
                let Refused { record, diagnosis } = *refused;
                letters.push(dead::letter(
                    Some(flow.into()),
                    &batch,
                    record,
                    Stage::Transform,
                    diagnosis,
                ));
            }
        }
        if !may_go_on() {
            break;
        }
    }
    let split = split_batch(&batch, first, split);
    let rest = batch.with_records(records.collect());
    Transformed {
        split,
        mapped: batch.with_records(mapped),
        filtered,
        letters,
        outcomes,
        rest,
    }
}

fn settle(outcomes: &mut SlotOutcomes, flow: &Flow, slot: u32, outcome: Outcome) {
    outcomes.settle(slot, outcome);
    metrics::count_settled(&flow.name, Stage::Transform, outcome, 1);
}

/// The batch of the records made by splitting. Its id and slots follow from the message it comes
/// from, so that a second delivery makes the same ones, and another message of its batch others.
fn split_batch(batch: &Batch, first: u32, mut records: Vec<Record>) -> Batch {
    for (slot, record) in (0..).zip(&mut records) {
        record.slot = slot;
    }
    let size = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let place = if first == 0 {
        String::new()
    } else {
        format!(".{first}")
    };
    Batch {
        id: format!("{}/split{place}", batch.id),
        size,
        ..batch.with_records(records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Lane, Operation, RunId, Version};
    use pomost_project::{Project, environment::Environment};
    use serde_json::value::RawValue;

    use super::*;

    const CUSTOMER: &str =
        r#"{"id":"a","updated_at":"2026-01-01T00:00:00Z","email":"ann@example.com","name":"Ann"}"#;

    fn batch(size: u32) -> Batch {
        let (flow, run, id) = ("customers".to_owned(), RunId::generate(), "0.0".to_owned());
        let data = || RawValue::from_string(CUSTOMER.to_owned()).unwrap();
        let record = |slot: u32| Record {
            slot,
            key: slot.to_string(),
            version: Version::new("1"),
            op: Operation::Upsert,
            data: data(),
            source: None,
        };
        let records = (0..size).map(record).collect();
        Batch {
            flow,
            run,
            id,
            size,
            attempt: 0,
            waits: 0,
            lane: Lane::Live,
            records,
        }
    }

    #[test]
    fn what_there_is_no_time_for_is_left_as_it_came_and_one_record_there_always_is() {
        let directory = tempfile::tempdir().unwrap();
        pomost_project::init(directory.path()).unwrap();
        let project =
            Project::load(directory.path(), &Environment::of_process(directory.path())).unwrap();
        let flow = &project.flows["customers"];
        let whole = batch(3);
        let Transformed {
            mapped,
            rest,
            letters,
            ..
        } = transform(flow, whole.clone(), || false);
        assert!(letters.is_empty(), "{}", letters[0].error);
        let slots = |batch: &Batch| {
            batch
                .records
                .iter()
                .map(|record| record.slot)
                .collect::<Vec<_>>()
        };
        assert_eq!((slots(&mapped), slots(&rest)), (vec![0], vec![1, 2]));
        assert_eq!(
            (rest.size, rest.attempt, rest.records[0].data.get()),
            (3, 0, whole.records[1].data.get())
        );
        let Transformed { mapped, rest, .. } = transform(flow, rest, || true);
        assert_eq!((slots(&mapped), slots(&rest)), (vec![1, 2], vec![]));
    }
}
