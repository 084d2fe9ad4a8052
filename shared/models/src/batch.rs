//! Batches: the messages on the queues.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{BatchId, Lane, Record, RunId};

/// The AMQP `type` of a [`Batch`]. A reader makes a dead letter of a message of any other type.
pub const BATCH_TYPE: &str = "pomost.batch.v1";

/// A message with up to `batch_size` records of one flow and one run.
///
/// Records that have to be tried again travel in a smaller batch with the same `id` and `size`, so
/// one record that fails does not hold back the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    pub flow: String,
    /// The run that extracted the records.
    pub run: RunId,
    pub id: BatchId,
    /// Number of slots that the batch had when it was extracted. A batch that is retried has fewer
    /// records.
    pub size: u32,
    /// Number of failed attempts that count for these records: 0 at the first attempt.
    #[serde(default)]
    pub attempt: u32,
    /// Number of times that these records were handed back because something else was not ready. It
    /// does not count towards the attempts.
    #[serde(default)]
    pub waits: u32,
    #[serde(default, skip_serializing_if = "Lane::is_live")]
    pub lane: Lane,
    pub records: Vec<Record>,
}

impl Batch {
    /// A batch at its first attempt, in the live lane. It has a slot for each of the records.
    pub fn new(
        flow: impl Into<String>,
        run: RunId,
        id: impl Into<BatchId>,
        records: Vec<Record>,
    ) -> Batch {
        Batch {
            flow: flow.into(),
            run,
            id: id.into(),
            size: u32::try_from(records.len()).unwrap_or(u32::MAX),
            attempt: 0,
            waits: 0,
            lane: Lane::Live,
            records,
        }
    }

    /// Encodes the batch as the body of a message.
    pub fn encode(&self) -> Vec<u8> {
        // Serialising fails only for maps whose keys are not text, and there are none.
        serde_json::to_vec(self).expect("a batch is JSON")
    }

    /// True where somebody replayed these records with `pomost dead replay`.
    pub fn is_replay(&self) -> bool {
        self.id.is_replay()
    }

    /// Splits the batch into batches with at most `bytes` bytes of records each. A single record
    /// that is longer has a batch of its own. All parts keep the id, and each slot is in exactly
    /// one of them.
    pub fn split_by_bytes(&self, bytes: usize) -> Vec<Cow<'_, Batch>> {
        let mut held = 0;
        let mut ends = Vec::new();
        for (place, record) in self.records.iter().enumerate() {
            held += record.bytes();
            if held > bytes && place > 0 {
                ends.push(place);
                held = record.bytes();
            }
        }
        if ends.is_empty() {
            return vec![Cow::Borrowed(self)];
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ends = ends.iter().copied().chain([self.records.len()]);
        starts
            .zip(ends)
            .map(|(start, end)| Cow::Owned(self.with_records(self.records[start..end].to_vec())))
            .collect()
    }

    /// The batch with only the keys, versions and operations of its records.
    pub fn without_data(&self) -> Batch {
        self.with_records(self.records.iter().map(Record::without_data).collect())
    }

    /// The same batch with other records: for a retry, or for the next stage.
    pub fn with_records(&self, records: Vec<Record>) -> Batch {
        Batch {
            records,
            flow: self.flow.clone(),
            id: self.id.clone(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use super::*;
    use crate::{Operation, Version};

    fn batch(lengths: &[usize]) -> Batch {
        let record = |(slot, length): (u32, &usize)| Record {
            slot,
            key: String::new(),
            version: Version::new("1"),
            op: Operation::Upsert,
            data: RawValue::from_string(format!("\"{}\"", "x".repeat(length - 2))).unwrap(),
            source: None,
        };
        let records = (0..).zip(lengths).map(record).collect();
        Batch::new("f", RunId::generate(), "0.0", records)
    }

    fn slots(batch: &Batch, bytes: usize) -> Vec<Vec<u32>> {
        let parts = batch.split_by_bytes(bytes);
        parts
            .iter()
            .map(|part| part.records.iter().map(|record| record.slot).collect())
            .collect()
    }

    #[test]
    fn a_batch_is_parted_where_it_grows_too_long_and_every_slot_is_in_one_part() {
        assert_eq!(slots(&batch(&[10, 10, 10]), 30), [vec![0, 1, 2]]);
        assert_eq!(slots(&batch(&[10, 10, 10]), 29), [vec![0, 1], vec![2]]);
        assert_eq!(
            slots(&batch(&[50, 10, 10, 50]), 29),
            [vec![0], vec![1, 2], vec![3]]
        );
        assert_eq!(slots(&batch(&[]), 29), [Vec::<u32>::new()]);
    }
}
