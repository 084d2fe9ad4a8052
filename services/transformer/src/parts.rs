//! Plans which parts of a record are deleted because it changed, and which are not loaded any more
//! because a newer change of it was transformed before.
//!
//! Changes of one record may be transformed and loaded in any order, and parts that wait in the
//! queue of the loader are not in the ledger yet. So the shape of the newest change is noted in the
//! store before anything of it is published. A newer change deletes each part that an older one may
//! have published, at its own version. An older change that comes late publishes only the parts
//! that the newest one has as well. The ledger does the rest, key by key.

use std::{collections::HashMap, ops::Range};

use pomost_models::version::is_older;
use pomost_store::{Error, KnownShape, RecordShape, ShapeChange, Store};

use crate::map::MappedRecord;

/// The number of records that a mapping made of one change of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutputs {
    /// Nothing: the record is filtered, and what was loaded under its own key stays.
    None,
    /// A deletion, which crosses without being mapped.
    Deletion,
    /// One output, under the record's own key.
    Whole,
    /// Several outputs, under the keys of parts.
    Parts(u32),
}

impl ChangeOutputs {
    fn parts(self) -> u32 {
        match self {
            ChangeOutputs::Parts(parts) => parts,
            ChangeOutputs::None | ChangeOutputs::Deletion | ChangeOutputs::Whole => 0,
        }
    }

    fn count(self) -> u32 {
        match self {
            ChangeOutputs::Parts(parts) => parts,
            ChangeOutputs::Whole => 1,
            ChangeOutputs::None | ChangeOutputs::Deletion => 0,
        }
    }
}

/// The plan for the parts of one change: which of them are deleted, and which may be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsPlan {
    /// The shape of the newest change, which may be this one.
    pub newest: RecordShape,
    /// The parts to be deleted.
    pub gone_parts: Range<u32>,
    /// True where the record under its own key is to be deleted: it has parts instead.
    pub gone_whole: bool,
}

impl PartsPlan {
    /// Decides on a change of this version.
    pub fn of(known: &KnownShape, version: String, outputs: ChangeOutputs) -> PartsPlan {
        match &known.shape {
            Some(newest) if is_older(&version, &newest.version) => {
                PartsPlan::of_late_change(newest, outputs)
            }
            _ => PartsPlan::of_newest_change(known, version, outputs),
        }
    }

    fn of_newest_change(known: &KnownShape, version: String, outputs: ChangeOutputs) -> PartsPlan {
        let parts = outputs.parts();
        PartsPlan {
            newest: RecordShape {
                version,
                outputs: outputs.count(),
                parts: parts.max(known.remaining_parts),
                whole: known.whole_remains || outputs == ChangeOutputs::Whole,
            },
            gone_parts: parts..known.remaining_parts,
            gone_whole: known.whole_remains && parts > 0,
        }
    }

    fn of_late_change(newest: &RecordShape, outputs: ChangeOutputs) -> PartsPlan {
        // Where the newest change is filtered, an older one may still bring the record under its
        // own key.
        let brings_whole = outputs == ChangeOutputs::Whole && newest.current_parts() == 0;
        PartsPlan {
            newest: RecordShape {
                whole: newest.whole || brings_whole,
                ..newest.clone()
            },
            gone_parts: 0..0,
            gone_whole: false,
        }
    }

    /// True where the newest change has this part.
    pub fn keeps_part(&self, part: u32) -> bool {
        part < self.newest.current_parts()
    }

    /// True where the newest change has no parts instead of the record under its own key.
    pub fn keeps_whole(&self) -> bool {
        self.newest.current_parts() == 0
    }

    /// Updates the knowledge about the record to the state after the plan was noted.
    fn follow(&self, known: &mut KnownShape) {
        if known.shape.as_ref() != Some(&self.newest) {
            *known = KnownShape {
                shape: Some(self.newest.clone()),
                remaining_parts: self.newest.parts,
                whole_remains: self.newest.whole,
            };
        }
    }
}

/// Plans the changes of one batch, in their order, and notes the shapes of the newest. A change
/// that is planned again has the same plan as before, except for deletions that the ledger has
/// meanwhile.
pub async fn plan_changes(
    store: &dyn Store,
    flow: &str,
    records: &[MappedRecord],
) -> Result<Vec<PartsPlan>, Error> {
    let (keys, places) = distinct_keys(records);
    loop {
        let before = store.known_shapes(flow, &keys).await?;
        let mut known = before.clone();
        let plan = |(record, place): (&MappedRecord, &usize)| {
            let (version, outputs) = (record.version().order_key(), record.outputs());
            let plan = PartsPlan::of(&known[*place], version, outputs);
            plan.follow(&mut known[*place]);
            plan
        };
        let plans = records.iter().zip(&places).map(plan).collect();
        let changes = changes(&keys, before, known);
        // Another transformer was faster with a change of the same record: what it noted decides.
        if changes.is_empty() || store.change_shapes(flow, &changes).await? {
            return Ok(plans);
        }
    }
}

/// The keys of records, each once, and for each record the place of its key among them.
fn distinct_keys(records: &[MappedRecord]) -> (Vec<&str>, Vec<usize>) {
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(records.len());
    let mut keys = Vec::with_capacity(records.len());
    let mut place_of = |key| {
        *known.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() - 1
        })
    };
    let places = records
        .iter()
        .map(|record| place_of(record.key()))
        .collect();
    (keys, places)
}

fn changes(keys: &[&str], before: Vec<KnownShape>, after: Vec<KnownShape>) -> Vec<ShapeChange> {
    let changes = keys.iter().zip(before.into_iter().zip(after));
    changes
        .filter_map(|(key, (before, after))| {
            let after = after
                .shape
                .filter(|after| Some(after) != before.shape.as_ref())?;
            Some(ShapeChange {
                key: (*key).to_owned(),
                before: before.shape,
                after,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "parts/tests.rs"]
mod tests;
