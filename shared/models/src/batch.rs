//! The message on a queue.

use serde::{Deserialize, Serialize};

use crate::{Record, RunId};

/// The AMQP `type` of a [`Batch`]; a reader dead-letters any other.
pub const BATCH_TYPE: &str = "pomost.batch.v1";

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
    /// The records themselves.
    pub records: Vec<Record>,
}

impl Batch {
    /// The message's body.
    pub fn encode(&self) -> Vec<u8> {
        // Fails only for maps with keys that are no text, of which there are none.
        serde_json::to_vec(self).expect("a batch is JSON")
    }

    /// The same batch with other records in it: for a retry, or for the next stage.
    pub fn with_records(&self, records: Vec<Record>) -> Batch {
        Batch { records, flow: self.flow.clone(), id: self.id.clone(), ..*self }
    }
}
