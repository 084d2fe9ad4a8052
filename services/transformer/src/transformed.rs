//! A batch after mapping: its records by where they go, and the outcomes of those that end here.

use pomost_models::{Batch, BatchId, Operation, Outcome, Record, SlotOutcomes, Stage};
use pomost_project::{Flow, flow::ChangeOrder};
use pomost_runtime::{metrics, outbox};
use pomost_store::part_key;

use crate::{map::MappedRecord, parts::PartsPlan};

/// A batch whose records were mapped.
pub(crate) struct TransformedBatch {
    /// The records that go on in their own slots.
    pub(crate) mapped: Batch,
    /// Batches of records that this one did not have, parts and the deletions of parts, and what is
    /// known of their slots: the parts that are stale.
    pub(crate) derived: Vec<(Batch, SlotOutcomes)>,
    /// The slots of the batch that end here.
    pub(crate) outcomes: SlotOutcomes,
    /// The records that end here and that later changes of their keys wait for, without their data.
    pub(crate) settled_changes: Vec<Record>,
}

impl TransformedBatch {
    /// Sorts the records of a batch. Where parts are looked after, each record has a plan.
    pub(crate) fn of(
        flow: &Flow,
        batch: Batch,
        first_slot: u32,
        records: Vec<MappedRecord>,
        plans: Option<Vec<PartsPlan>>,
    ) -> TransformedBatch {
        let mut sorted = SortedRecords::new(flow, records.len());
        match plans {
            None => records
                .into_iter()
                .for_each(|record| sorted.add(record, None)),
            Some(plans) => records
                .into_iter()
                .zip(plans)
                .for_each(|(record, plan)| sorted.add(record, Some(plan))),
        }
        sorted.into_batch(batch, first_slot)
    }
}

struct SortedRecords<'f> {
    flow: &'f Flow,
    mapped: Vec<Record>,
    /// The parts of split records, with the outcome of those that do not go on.
    parts: Vec<(Record, Option<Outcome>)>,
    deletions: Vec<Record>,
    outcomes: SlotOutcomes,
    settled_changes: Vec<Record>,
}

impl<'f> SortedRecords<'f> {
    fn new(flow: &'f Flow, records: usize) -> SortedRecords<'f> {
        SortedRecords {
            flow,
            mapped: Vec::with_capacity(records),
            parts: Vec::new(),
            deletions: Vec::new(),
            outcomes: SlotOutcomes::unsettled(0),
            settled_changes: Vec::new(),
        }
    }

    fn add(&mut self, record: MappedRecord, plan: Option<PartsPlan>) {
        if let Some(plan) = &plan {
            self.add_deletions(record.record(), plan);
        }
        match record {
            MappedRecord::Filtered(record) => {
                self.settle(record.slot, Outcome::Filtered);
                if self.flow.load.order == ChangeOrder::Every {
                    self.settled_changes.push(record.without_data());
                }
            }
            MappedRecord::Whole(record) => match plan {
                Some(plan) if record.op == Operation::Upsert && !plan.keeps_whole() => {
                    self.settle(record.slot, Outcome::Stale)
                }
                _ => self.mapped.push(record),
            },
            MappedRecord::Split { record, parts } => {
                self.settle(record.slot, Outcome::Split);
                self.add_parts(parts, plan);
            }
        }
    }

    fn add_parts(&mut self, parts: Vec<Record>, plan: Option<PartsPlan>) {
        let is_stale = |part| plan.as_ref().is_some_and(|plan| !plan.keeps_part(part));
        let parts = (0..).zip(parts);
        self.parts
            .extend(parts.map(|(part, record)| (record, is_stale(part).then_some(Outcome::Stale))));
    }

    /// The deletion of a part has the record as it came for its data, as that of the record itself
    /// would have.
    fn add_deletions(&mut self, record: &Record, plan: &PartsPlan) {
        let parts = plan.gone_parts.clone();
        let parts = parts.map(|part| part_key(&record.key, part));
        let keys = parts.chain(plan.gone_whole.then(|| record.key.clone()));
        self.deletions.extend(keys.map(|key| Record {
            key,
            version: record.version.clone(),
            op: Operation::Delete,
            data: record.extracted().to_owned(),
            source: None,
            ..*record
        }));
    }

    fn settle(&mut self, slot: u32, outcome: Outcome) {
        self.outcomes.settle(slot, outcome);
        metrics::count_settled(&self.flow.name, Stage::Transform, outcome, 1);
    }

    fn into_batch(self, batch: Batch, first_slot: u32) -> TransformedBatch {
        let mut derived = Vec::new();
        if !self.parts.is_empty() {
            derived.push(split_batch(
                self.flow,
                &batch,
                batch.id.of_split(first_slot),
                self.parts,
            ));
        }
        if !self.deletions.is_empty() {
            derived.extend(deletion_batches(&batch, first_slot, self.deletions));
        }
        TransformedBatch {
            mapped: batch.with_records(self.mapped),
            derived,
            outcomes: self.outcomes,
            settled_changes: self.settled_changes,
        }
    }
}

/// The batch of the parts of split records. Its id and slots follow from the message that they come
/// from, so that a second delivery makes the same ones.
fn split_batch(
    flow: &Flow,
    batch: &Batch,
    id: BatchId,
    parts: Vec<(Record, Option<Outcome>)>,
) -> (Batch, SlotOutcomes) {
    let size = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let (mut outcomes, mut records) = (SlotOutcomes::unsettled(size), Vec::new());
    for (slot, (record, outcome)) in (0..).zip(parts) {
        match outcome {
            Some(outcome) => {
                outcomes.settle(slot, outcome);
                metrics::count_settled(&flow.name, Stage::Transform, outcome, 1);
            }
            None => records.push(Record { slot, ..record }),
        }
    }
    (derived_batch(batch, id, size, records), outcomes)
}

/// The batches of the deletions of parts, one a message. A second delivery may find other deletions
/// to make. As a message is published as a whole or not at all, each slot of its batch is that of a
/// deletion that was published, in the first delivery or in the second, and none waits for ever.
fn deletion_batches(
    batch: &Batch,
    first_slot: u32,
    deletions: Vec<Record>,
) -> Vec<(Batch, SlotOutcomes)> {
    let all = batch.with_records(deletions);
    let messages = (0..).zip(all.split_by_bytes(outbox::MAX_BYTES));
    let batches = messages.map(|(number, message)| {
        let id = batch.id.of_gone_parts(first_slot, number);
        let records = (0..).zip(message.into_owned().records);
        let records: Vec<Record> = records
            .map(|(slot, record)| Record { slot, ..record })
            .collect();
        let size = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let outcomes = SlotOutcomes::unsettled(size);
        (derived_batch(batch, id, size, records), outcomes)
    });
    batches.collect()
}

fn derived_batch(batch: &Batch, id: BatchId, size: u32, records: Vec<Record>) -> Batch {
    Batch {
        id,
        size,
        ..batch.with_records(records)
    }
}
