//! Applies the records of a batch: each alone, and together where the destination takes many at
//! once.

use std::ops::ControlFlow;

use futures_util::{StreamExt, stream};
use pomost_http::SendPermit;
use pomost_models::Batch;

use super::{RecordEnding, bisection::BulkBisection, record::RecordApply};
use crate::{
    claims::ClaimedRecord,
    decide::{Decision, RetryReason},
    destinations::{Destination, RecordAction, WriteItem, WriteResult},
};

/// Applies the claimed records of a batch.
pub(crate) struct BatchApply<'a> {
    pub(crate) destination: &'a Destination,
    pub(crate) batch: &'a Batch,
    /// Says if requests may still be begun.
    pub(crate) permit: SendPermit<'a>,
}

/// A record with the decision that is to be carried out for it.
struct PendingRecord<'a> {
    /// The record's position among the claimed records.
    position: usize,
    apply: Box<RecordApply<'a>>,
    decision: Decision,
}

/// The endings that are known, each at the position of its record.
type RecordEndings = Vec<Option<RecordEnding>>;

impl<'a> BatchApply<'a> {
    /// Applies all records and returns their endings, in the order of the records. Each record goes
    /// on alone up to a decision that is carried out in bulk; those that wait for one are written
    /// together, and go on alone.
    pub(crate) async fn run(&self, records: &'a [ClaimedRecord]) -> Vec<RecordEnding> {
        let mut endings: RecordEndings = records.iter().map(|_| None).collect();
        let begun = records.iter().enumerate().map(|(position, claimed)| {
            let (apply, decision) =
                RecordApply::begin(self.destination, self.batch, claimed, self.permit);
            PendingRecord {
                position,
                apply,
                decision,
            }
        });
        let mut pending: Vec<_> = begun.collect();
        while !pending.is_empty() {
            let waiting = self.apply_alone(pending, &mut endings).await;
            pending = self.apply_in_bulk(waiting, &mut endings).await;
        }
        endings.into_iter().flatten().collect()
    }

    /// Applies each record alone. Returns those that wait for a bulk write, ordered by action.
    async fn apply_alone(
        &self,
        pending: Vec<PendingRecord<'a>>,
        endings: &mut RecordEndings,
    ) -> Vec<PendingRecord<'a>> {
        let concurrency = self.destination.writer.concurrency();
        let running: Vec<_> = pending.into_iter().map(PendingRecord::run_alone).collect();
        let mut finished = stream::iter(running).buffer_unordered(concurrency);
        let mut waiting = Vec::new();
        while let Some((position, progress)) = finished.next().await {
            match progress {
                ControlFlow::Break(ending) => endings[position] = Some(ending),
                ControlFlow::Continue((apply, decision)) => waiting.push(PendingRecord {
                    position,
                    apply,
                    decision,
                }),
            }
        }
        // Records finish in any order. Equal actions have to stand together for bulk writes, and
        // the order of the records keeps these the same from run to run.
        waiting.sort_unstable_by_key(|record| (record.action(), record.position));
        waiting
    }

    /// Carries out the decisions of records in bulk. Returns the records that have to go on.
    async fn apply_in_bulk(
        &self,
        waiting: Vec<PendingRecord<'a>>,
        endings: &mut RecordEndings,
    ) -> Vec<PendingRecord<'a>> {
        let results = self.write(&waiting).await;
        let mut pending = Vec::new();
        for (record, result) in waiting.into_iter().zip(results) {
            let PendingRecord {
                position,
                mut apply,
                decision,
            } = record;
            let progress = match result {
                Some(result) => apply.after_write(decision, result),
                None => ControlFlow::Break(RecordEnding::RetryLater(RetryReason::OutOfTime)),
            };
            match progress {
                ControlFlow::Break(ending) => endings[position] = Some(ending),
                ControlFlow::Continue(decision) => pending.push(PendingRecord {
                    position,
                    apply,
                    decision,
                }),
            }
        }
        pending
    }

    /// Writes records that are ordered by action, and returns their results in the same order; none
    /// for a record that was not tried.
    async fn write(&self, waiting: &[PendingRecord<'a>]) -> Vec<Option<WriteResult>> {
        let writer = &*self.destination.writer;
        let mut writes = Vec::new();
        for alike in waiting.chunk_by(|one, next| one.action() == next.action()) {
            let Some(action) = alike.first().and_then(PendingRecord::action) else {
                continue;
            };
            let size = writer.bulk_size(action).unwrap_or(1);
            let bisection = BulkBisection { writer, action };
            writes.extend(alike.chunks(size).map(|part| async move {
                let items: Vec<WriteItem<'_>> = part.iter().map(PendingRecord::item).collect();
                bisection.write(&items).await
            }));
        }
        let results: Vec<_> = stream::iter(writes)
            .buffered(writer.concurrency())
            .collect()
            .await;
        results.into_iter().flatten().collect()
    }
}

impl<'a> PendingRecord<'a> {
    fn action(&self) -> Option<RecordAction> {
        RecordAction::of(&self.decision).map(|(action, _)| action)
    }

    fn item(&self) -> WriteItem<'_> {
        let id = RecordAction::of(&self.decision).and_then(|(_, id)| id);
        self.apply.item(id)
    }

    async fn run_alone(
        self,
    ) -> (
        usize,
        ControlFlow<RecordEnding, (Box<RecordApply<'a>>, Decision)>,
    ) {
        (self.position, self.apply.run_alone(self.decision).await)
    }
}
