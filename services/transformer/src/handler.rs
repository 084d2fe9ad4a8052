//! Transforms batches: maps each record, publishes what came of them to the loader, and records the
//! outcomes of those that end here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pomost_broker::{Broker, Queue, Route};
use pomost_models::{Batch, DeadLetter, Stage};
use pomost_project::{Flow, flow::ChangeOrder};
use pomost_runtime::{
    ServiceContext, dead_letters, outbox,
    worker::{HandlerError, MessageHandler},
};
use tokio::sync::Mutex;

use crate::{
    map::{self, MappedRecord, RefusedRecord},
    parts::{self, PartsPlan},
    transformed::TransformedBatch,
};

/// For how long the records of a batch are mapped. The others are handed back: a delivery must be
/// acknowledged within 10 minutes, and each record may take the seconds that an expression has.
const MAPPING_TIME: Duration = Duration::from_secs(120);

/// The interval at which the store is asked if records of a flow were split whose mapping splits
/// none.
const ASK_AGAIN_INTERVAL: Duration = Duration::from_secs(60);

/// The delay of records that are handed back, in seconds.
const HAND_BACK_SECONDS: u32 = 1;

/// Transforms the batches of one flow.
pub struct TransformHandler {
    context: ServiceContext,
    flow: Arc<Flow>,
    /// True if records of the flow were ever split, and when the store said so.
    has_split: Mutex<Option<(bool, Instant)>>,
}

#[async_trait]
impl MessageHandler for TransformHandler {
    async fn handle(&self, batch: Batch) -> Result<(), HandlerError> {
        let mapped = self.map(batch).await;
        let plans = match self.tracks_parts().await? {
            true => {
                let store = self.context.store();
                Some(parts::plan_changes(store, &self.flow.name, &mapped.records).await?)
            }
            false => None,
        };
        self.pass_on(mapped, plans).await
    }
}

impl TransformHandler {
    /// A handler for the batches of a flow.
    pub fn new(context: ServiceContext, flow: Arc<Flow>) -> TransformHandler {
        TransformHandler {
            context,
            flow,
            has_split: Mutex::default(),
        }
    }

    /// Mapping computes for milliseconds at a time, so it has a thread of its own: the sockets must
    /// not wait for it.
    async fn map(&self, batch: Batch) -> MappedBatch {
        let flow = self.flow.clone();
        let (span, until) = (tracing::Span::current(), Instant::now() + MAPPING_TIME);
        let may_go_on = move || Instant::now() < until;
        let mapping = tokio::task::spawn_blocking(move || {
            span.in_scope(|| map_batch(&flow, batch, may_go_on))
        });
        match mapping.await {
            Ok(mapped) => mapped,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// A flow whose mapping cannot split records, and never did, has no parts to look after, and
    /// its batches cost the store nothing.
    async fn tracks_parts(&self) -> Result<bool, HandlerError> {
        let map = self.flow.transform.map.as_ref();
        let may_split = map.is_some_and(|map| !map.has_at_most_one_output());
        match self.flow.load.order {
            ChangeOrder::Every => Ok(false),
            ChangeOrder::Latest if may_split => Ok(true),
            ChangeOrder::Latest => self.has_split().await,
        }
    }

    /// True if records of the flow were split. While they were not, the store is asked again from
    /// time to time: a replica that still has an older mapping may split the first one.
    async fn has_split(&self) -> Result<bool, HandlerError> {
        let mut known = self.has_split.lock().await;
        if let Some((has_split, asked_at)) = *known
            && (has_split || asked_at.elapsed() < ASK_AGAIN_INTERVAL)
        {
            return Ok(has_split);
        }
        let has_split = self.context.store().has_split(&self.flow.name).await?;
        *known = Some((has_split, Instant::now()));
        Ok(has_split)
    }

    /// Publishes what goes on, and records what ends here once all is with the broker.
    async fn pass_on(
        &self,
        mapped: MappedBatch,
        plans: Option<Vec<PartsPlan>>,
    ) -> Result<(), HandlerError> {
        let MappedBatch {
            batch,
            first_slot,
            records,
            letters,
            unmapped,
        } = mapped;
        let transformed = TransformedBatch::of(&self.flow, batch, first_slot, records, plans);
        self.publish_derived(&transformed).await?;
        let broker = self.context.broker();
        send(broker, &transformed.mapped, Stage::Load, None).await?;
        send(broker, &unmapped, Stage::Transform, Some(HAND_BACK_SECONDS)).await?;
        dead_letters::publish(broker, &letters).await?;
        self.record(transformed).await
    }

    /// Publishes and counts the records that the batch did not have. This comes before the batch's
    /// own records can settle, or its run could seem to have ended.
    async fn publish_derived(&self, transformed: &TransformedBatch) -> Result<(), HandlerError> {
        let batches = transformed.derived.iter().map(|(batch, _)| batch);
        let batches: Vec<&Batch> = batches.filter(|batch| !batch.records.is_empty()).collect();
        let route = Route::to(Queue::for_batch(Stage::Load, &transformed.mapped));
        outbox::publish_batches(self.context.broker(), &route, &batches).await?;
        for (batch, outcomes) in &transformed.derived {
            let store = self.context.store();
            store
                .record_outcomes(batch.run, &batch.id, outcomes)
                .await?;
        }
        Ok(())
    }

    async fn record(&self, transformed: TransformedBatch) -> Result<(), HandlerError> {
        let (store, batch) = (self.context.store(), transformed.mapped);
        if !transformed.outcomes.is_all_unsettled() {
            store
                .record_outcomes(batch.run, &batch.id, &transformed.outcomes)
                .await?;
        }
        if !transformed.settled_changes.is_empty() {
            let settled = batch.with_records(transformed.settled_changes);
            store.settle_changes(&settled).await?;
        }
        Ok(())
    }
}

/// Publishes a batch to the queue of a stage, where it has records; by a delay of so many seconds
/// where there is one.
async fn send(
    broker: &dyn Broker,
    batch: &Batch,
    stage: Stage,
    delay_seconds: Option<u32>,
) -> Result<(), HandlerError> {
    if batch.records.is_empty() {
        return Ok(());
    }
    let queue = Queue::for_batch(stage, batch);
    let route = match delay_seconds {
        Some(seconds) => Route::delayed(queue, seconds),
        None => Route::to(queue),
    };
    Ok(outbox::publish_batches(broker, &route, &[batch]).await?)
}

/// The records of a batch, mapped.
struct MappedBatch {
    /// The batch without its records.
    batch: Batch,
    /// The slot of the first record, which tells the messages of one batch apart.
    first_slot: u32,
    records: Vec<MappedRecord>,
    /// The records that could not be mapped.
    letters: Vec<DeadLetter>,
    /// The records that there was no time for, as they came.
    unmapped: Batch,
}

/// Maps the records of a batch while it may go on, but at least one, so that records that take long
/// come to their ends as well.
fn map_batch(flow: &Flow, mut batch: Batch, may_go_on: impl Fn() -> bool) -> MappedBatch {
    let records = std::mem::take(&mut batch.records);
    let first_slot = records.first().map_or(0, |record| record.slot);
    let (mut mapped, mut letters) = (Vec::with_capacity(records.len()), Vec::new());
    let mut records = records.into_iter();
    for record in records.by_ref() {
        match map::map_record(flow, batch.run, record) {
            Ok(record) => mapped.push(record),
            Err(refused) => letters.push(letter(flow, &batch, *refused)),
        }
        if !may_go_on() {
            break;
        }
    }
    let unmapped = batch.with_records(records.collect());
    MappedBatch {
        batch,
        first_slot,
        records: mapped,
        letters,
        unmapped,
    }
}

fn letter(flow: &Flow, batch: &Batch, refused: RefusedRecord) -> DeadLetter {
    let RefusedRecord { record, diagnosis } = refused;
    dead_letters::of_record(
        Some(flow.into()),
        batch,
        record,
        Stage::Transform,
        diagnosis,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Operation, Record, RunId, Version};
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
        Batch::new(flow, run, id, records)
    }

    #[test]
    fn what_there_is_no_time_for_is_left_as_it_came_and_one_record_there_always_is() {
        let directory = tempfile::tempdir().unwrap();
        pomost_project::init(directory.path()).unwrap();
        let project =
            Project::load(directory.path(), &Environment::of_process(directory.path())).unwrap();
        let flow = &project.flows["customers"];
        let map = flow.transform.map.as_ref().unwrap();
        assert!(
            map.has_at_most_one_output(),
            "the store is not asked for parts"
        );
        let whole = batch(3);
        let MappedBatch {
            records,
            unmapped,
            letters,
            ..
        } = map_batch(flow, whole.clone(), || false);
        assert!(letters.is_empty(), "{}", letters[0].error);
        let mapped = |records: &[MappedRecord]| -> Vec<u32> {
            records.iter().map(|record| record.record().slot).collect()
        };
        let slots = |batch: &Batch| -> Vec<u32> {
            batch.records.iter().map(|record| record.slot).collect()
        };
        assert_eq!((mapped(&records), slots(&unmapped)), (vec![0], vec![1, 2]));
        assert_eq!(
            (
                unmapped.size,
                unmapped.attempt,
                unmapped.records[0].data.get()
            ),
            (3, 0, whole.records[1].data.get())
        );
        let MappedBatch {
            records, unmapped, ..
        } = map_batch(flow, unmapped, || true);
        assert_eq!((mapped(&records), slots(&unmapped)), (vec![1, 2], vec![]));
    }
}
