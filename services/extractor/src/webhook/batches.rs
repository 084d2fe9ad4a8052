//! The batches that deliveries make.

use pomost_models::{Batch, BatchId, DeadLetter, Record, RunId, Stage};
use pomost_project::Flow;
use pomost_rows::RefusedRow;
use pomost_runtime::{dead_letters, outbox};

/// A batch that the next message may go on with: all its slots so far are with the broker.
#[derive(Debug, Clone)]
pub(super) struct OpenBatch {
    run: RunId,
    id: BatchId,
    size: u32,
}

/// The batches and dead letters of a group of deliveries.
///
/// The broker stores a message whole or not at all, and a message's slots follow on slots that are
/// stored: whatever happens to it, no slot of its batch waits for ever. So each message has a batch
/// of its own, apart from the first, which may go on with the batch of the message before. Each
/// dead letter has a batch of its own for the same reason.
pub(super) struct DeliveryBatches {
    /// One batch for each message.
    pub(super) batches: Vec<Batch>,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) run: RunId,
    flow: String,
    under: dead_letters::LetterFlow,
    batch_size: usize,
    open: Option<OpenBatch>,
}

impl DeliveryBatches {
    /// The first batch goes on with the open one, if that is of the same run.
    pub(super) fn new(flow: &Flow, run: RunId, open: Option<OpenBatch>) -> DeliveryBatches {
        DeliveryBatches {
            batches: Vec::new(),
            letters: Vec::new(),
            run,
            flow: flow.name.clone(),
            under: flow.into(),
            batch_size: flow.batch_size,
            open: open.filter(|open| open.run == run),
        }
    }

    /// The batch that the next message may go on with, once these are with the broker.
    pub(super) fn open(&self) -> Option<OpenBatch> {
        let batch = self.batches.last()?;
        Some(OpenBatch {
            run: self.run,
            id: batch.id.clone(),
            size: batch.size,
        })
    }

    /// The ids and sizes of all batches, with those of the dead letters.
    pub(super) fn sizes(&self) -> Vec<(String, u32)> {
        let batches = self
            .batches
            .iter()
            .map(|batch| (batch.id.to_string(), batch.size));
        let letters = self
            .letters
            .iter()
            .map(|letter| (letter.batch.to_string(), letter.size));
        batches.chain(letters).collect()
    }

    /// Adds a record to a batch, and returns the batch.
    pub(super) fn add_record(&mut self, record: Record) -> &Batch {
        let fits = |batch: &Batch| {
            let bytes: usize = batch.records.iter().map(Record::bytes).sum();
            (batch.size as usize) < self.batch_size && bytes + record.bytes() <= outbox::MAX_BYTES
        };
        if !self.batches.last().is_some_and(fits) {
            let open = self
                .open
                .take()
                .filter(|open| (open.size as usize) < self.batch_size);
            let next = open.map_or_else(
                || self.batch(BatchId::of_webhook(), 0),
                |open| self.batch(open.id, open.size),
            );
            self.batches.push(next);
        }
        let last = self.batches.len() - 1;
        let batch = &mut self.batches[last];
        batch.records.push(Record {
            slot: batch.size,
            ..record
        });
        batch.size += 1;
        batch
    }

    /// Makes a dead letter of a refused row, in the trace of the current span.
    pub(super) fn add_refused(&mut self, refused: RefusedRow) {
        let batch = self.batch(BatchId::of_webhook(), 1);
        let under = Some(self.under.clone());
        self.letters.push(dead_letters::of_record(
            under,
            &batch,
            refused.record,
            Stage::Extract,
            refused.diagnosis,
        ));
    }

    fn batch(&self, id: BatchId, size: u32) -> Batch {
        Batch {
            size,
            ..Batch::new(self.flow.clone(), self.run, id, Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{Diagnosis, Operation, Version};
    use serde_json::value::RawValue;

    use super::{super::testing, *};

    fn record(bytes: usize) -> Record {
        let data = RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap();
        Record {
            slot: 0,
            key: "k".into(),
            version: Version::new("1"),
            op: Operation::Upsert,
            data,
            source: None,
        }
    }

    /// Returns the ids, sizes and slots of messages that are made one after the other.
    fn messages(groups: &[&[usize]]) -> Vec<(String, u32, Vec<u32>)> {
        let flow = testing::flow(
            "verify: { github: { secrets: [\"${OLD}\"] } }",
            ["secret", ""],
        );
        let (run, mut open, mut messages) = (RunId::generate(), None, Vec::new());
        for group in groups {
            let mut batches = DeliveryBatches::new(&flow, run, open);
            group
                .iter()
                .for_each(|bytes| _ = batches.add_record(record(*bytes)));
            open = batches.open();
            let slots = |batch: &Batch| batch.records.iter().map(|record| record.slot).collect();
            messages.extend(
                batches
                    .batches
                    .iter()
                    .map(|batch| (batch.id.to_string(), batch.size, slots(batch))),
            );
        }
        messages
    }

    #[test]
    fn a_batch_goes_on_from_message_to_message_until_it_is_full() {
        let made = messages(&[&[10; 1], &[10; 2], &[10; 98], &[10; 1]]);
        let sizes: Vec<u32> = made.iter().map(|(_, size, _)| *size).collect();
        assert_eq!(sizes, [1, 3, 100, 1, 2]);
        assert_eq!(
            (
                &made[0].2[..],
                &made[1].2[..],
                &made[3].2[..],
                &made[4].2[..]
            ),
            (&[0][..], &[1, 2][..], &[0][..], &[1][..])
        );
        assert!(made[..3].iter().all(|(id, ..)| *id == made[0].0));
        assert!(made[3].0 != made[0].0 && made[3].0 == made[4].0);
    }

    #[test]
    fn no_message_is_too_long_unless_it_is_one_record() {
        let half = outbox::MAX_BYTES / 2;
        let made = messages(&[&[half, half, 2, 4 * half], &[10]]);
        let slots: Vec<&[u32]> = made.iter().map(|(.., slots)| &slots[..]).collect();
        assert_eq!(slots, [&[0, 1][..], &[0], &[0], &[1]]);
        assert_eq!(made[2].0, made[3].0);
        assert!(made[0].0 != made[1].0 && made[1].0 != made[2].0);
    }

    #[test]
    fn another_run_has_other_batches() {
        let flow = testing::flow(
            "verify: { github: { secrets: [\"${OLD}\"] } }",
            ["secret", ""],
        );
        let mut first = DeliveryBatches::new(&flow, RunId::generate(), None);
        first.add_record(record(10));
        let mut second = DeliveryBatches::new(&flow, RunId::generate(), first.open());
        assert_eq!(second.add_record(record(10)).size, 1);
        assert_ne!(first.batches[0].id, second.batches[0].id);
    }

    #[test]
    fn each_dead_letter_has_a_batch_of_its_own() {
        let flow = testing::flow(
            "verify: { github: { secrets: [\"${OLD}\"] } }",
            ["secret", ""],
        );
        let mut batches = DeliveryBatches::new(&flow, RunId::generate(), None);
        for _ in 0..2 {
            let diagnosis = Diagnosis::invalid("no key");
            batches.add_refused(RefusedRow {
                record: record(10),
                diagnosis,
            });
        }
        assert!(
            batches.batches.is_empty() && batches.letters.iter().all(|letter| letter.size == 1)
        );
        assert_ne!(batches.letters[0].batch, batches.letters[1].batch);
        assert_ne!(batches.letters[0].id, batches.letters[1].id);
    }
}
