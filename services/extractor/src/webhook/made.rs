//! Making batches of deliveries.

use pomost_models::{Batch, DeadLetter, Lane, Record, RunId, Stage};
use pomost_project::Flow;
use pomost_runtime::{dead_letters, outbox};
use uuid::Uuid;

use super::BATCHES;
use crate::rows::Refused;

/// A batch that goes on: all its slots so far are with the broker.
#[derive(Debug, Clone)]
pub(super) struct Open {
    run: RunId,
    id: String,
    size: u32,
}

/// What is made of deliveries.
///
/// A message is stored whole or not at all, and its slots follow on slots that are stored: whatever
/// becomes of it, no slot of its batch waits for ever. So each message has a batch of its own, apart
/// from the first, which may go on with the batch of the message before; and so has each dead letter.
pub(super) struct Made {
    /// The batches of messages.
    pub(super) batches: Vec<Batch>,
    /// What is no record of the flow.
    pub(super) letters: Vec<DeadLetter>,
    /// The run of all of them.
    pub(super) run: RunId,
    flow: String,
    under: dead_letters::LetterFlow,
    batch_size: usize,
    open: Option<Open>,
}

impl Made {
    /// Nothing yet, for a run; the first batch goes on with an open one of the same run.
    pub(super) fn new(flow: &Flow, run: RunId, open: Option<Open>) -> Made {
        Made {
            batches: Vec::new(),
            letters: Vec::new(),
            run,
            flow: flow.name.clone(),
            under: flow.into(),
            batch_size: flow.batch_size,
            open: open.filter(|open| open.run == run),
        }
    }

    /// What the next message may go on with, once these are with the broker.
    pub(super) fn open(&self) -> Option<Open> {
        let batch = self.batches.last()?;
        Some(Open {
            run: self.run,
            id: batch.id.clone(),
            size: batch.size,
        })
    }

    /// Puts a record into a batch, and returns that.
    pub(super) fn add(&mut self, record: Record) -> &Batch {
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
                || self.batch(new_id(), 0),
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

    /// Makes a dead letter, in the trace of the current span.
    pub(super) fn bury(&mut self, refused: Refused) {
        let batch = self.batch(new_id(), 1);
        let under = Some(self.under.clone());
        self.letters.push(dead_letters::of_record(
            under,
            &batch,
            refused.record,
            Stage::Extract,
            refused.diagnosis,
        ));
    }

    fn batch(&self, id: String, size: u32) -> Batch {
        Batch {
            flow: self.flow.clone(),
            run: self.run,
            id,
            size,
            attempt: 0,
            waits: 0,
            lane: Lane::Live,
            records: Vec::new(),
        }
    }
}

fn new_id() -> String {
    format!("{BATCHES}{}", Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_models::{DeadLetterReason, Operation, Version};
    use pomost_runtime::dead_letters::Diagnosis;
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

    /// The ids, sizes and slots of the messages that are made one after the other.
    fn messages(groups: &[&[usize]]) -> Vec<(String, u32, Vec<u32>)> {
        let flow = testing::flow(
            "verify: { github: { secrets: [\"${OLD}\"] } }",
            ["secret", ""],
        );
        let (run, mut open, mut messages) = (RunId::generate(), None, Vec::new());
        for group in groups {
            let mut made = Made::new(&flow, run, open);
            group.iter().for_each(|bytes| _ = made.add(record(*bytes)));
            open = made.open();
            let slots = |batch: &Batch| batch.records.iter().map(|record| record.slot).collect();
            messages.extend(
                made.batches
                    .iter()
                    .map(|batch| (batch.id.clone(), batch.size, slots(batch))),
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
        let mut first = Made::new(&flow, RunId::generate(), None);
        first.add(record(10));
        let mut second = Made::new(&flow, RunId::generate(), first.open());
        assert_eq!(second.add(record(10)).size, 1);
        assert_ne!(first.batches[0].id, second.batches[0].id);
    }

    #[test]
    fn each_dead_letter_has_a_batch_of_its_own() {
        let flow = testing::flow(
            "verify: { github: { secrets: [\"${OLD}\"] } }",
            ["secret", ""],
        );
        let mut made = Made::new(&flow, RunId::generate(), None);
        for _ in 0..2 {
            let diagnosis = Diagnosis {
                reason: DeadLetterReason::Invalid,
                error: "no key".into(),
                pointer: None,
            };
            made.bury(Refused {
                record: record(10),
                diagnosis,
            });
        }
        assert!(made.batches.is_empty() && made.letters.iter().all(|letter| letter.size == 1));
        assert_ne!(made.letters[0].batch, made.letters[1].batch);
        assert_ne!(made.letters[0].id, made.letters[1].id);
    }
}
