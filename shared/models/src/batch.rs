//! The message on a queue.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Lane, Record, RunId};

/// The AMQP `type` of a [`Batch`]; a reader dead-letters any other.
pub const BATCH_TYPE: &str = "pomost.batch.v1";

/// What stands in the ids of batches that a person sent again, and of no other.
pub const REPLAYS: &str = "replay.";

/// Up to `batch_size` records of one flow and one run.
///
/// A record that fails alone leaves its batch alone: what is retried is a smaller batch with the
/// same `id` and `size`, holding only the records that need it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    /// The flow the records belong to.
    pub flow: String,
    /// The run that extracted them.
    pub run: RunId,
    /// Names the batch within its run. A page that is read twice after a crash gives the same ids.
    pub id: String,
    /// How many slots the batch had when it was extracted.
    pub size: u32,
    /// How often these records have failed by their own fault, 0 for the first try.
    #[serde(default)]
    pub attempt: u32,
    /// How often these records were handed back because something else was not ready.
    #[serde(default)]
    pub waits: u32,
    /// Whether these records go first, or leave others their turns.
    #[serde(default, skip_serializing_if = "Lane::is_live")]
    pub lane: Lane,
    /// The records themselves.
    pub records: Vec<Record>,
}

impl Batch {
    /// The message's body.
    pub fn encode(&self) -> Vec<u8> {
        // Fails only for maps with keys that are no text, of which there are none.
        serde_json::to_vec(self).expect("a batch is JSON")
    }

    /// Whether a person sent these records again.
    pub fn is_replay(&self) -> bool {
        self.id.contains(REPLAYS)
    }

    /// The batch in as many batches as it takes for none to hold more than so many bytes of records,
    /// unless it is one record. They have the same id: each slot is in one of them.
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

    /// The batch with its records' keys and versions alone.
    pub fn without_data(&self) -> Batch {
        self.with_records(self.records.iter().map(Record::without_data).collect())
    }

    /// The same batch with other records in it: for a retry, or for the next stage.
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
        Batch {
            flow: "f".into(),
            run: RunId::generate(),
            id: "0.0".into(),
            size: 9,
            attempt: 1,
            waits: 2,
            lane: Lane::Live,
            records,
        }
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
