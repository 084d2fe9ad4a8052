//! The parts that go away: what the destination is to lose because a record changed, and what it must not get any more
//! because a newer change of the record was transformed before.
//!
//! Changes of one record may be transformed and loaded in any order, and parts that wait in the queue of the loader
//! are not in the ledger yet. So the shape of the newest change is noted in the store before anything of it is
//! published: a newer change deletes each part that an older one may have published, at its own version, and an older
//! change that comes late publishes only what the newest one has as well. The ledger does the rest, key by key.

use std::{collections::HashMap, ops::Range};

use pomost_models::version::is_older;
use pomost_store::{Error, KnownShape, RecordShape, ShapeChange, Store};

use crate::map::MappedRecord;

/// What a mapping made of one change of a record.
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

/// What follows for one change from the other changes of its record.
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
        // Where the newest change is filtered, an older one may still bring the record under its own key.
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

    /// What is known of the record once the plan is noted.
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

/// Plans the changes of one batch, in their order, and notes the shapes of the newest. Planned again, a change has the
/// same plan as before, but for what the ledger has settled meanwhile.
pub async fn plan_changes(
    store: &dyn Store,
    flow: &str,
    records: &[MappedRecord],
) -> Result<Vec<PartsPlan>, Error> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(records.len());
    let mut keys = Vec::with_capacity(records.len());
    for record in records {
        places.entry(record.key()).or_insert_with(|| {
            keys.push(record.key());
            keys.len() - 1
        });
    }
    loop {
        let before = store.known_shapes(flow, &keys).await?;
        let mut known = before.clone();
        let plan = |record: &MappedRecord| {
            let known = &mut known[places[record.key()]];
            let plan = PartsPlan::of(known, record.version().order_key(), record.outputs());
            plan.follow(known);
            plan
        };
        let plans = records.iter().map(plan).collect();
        let changes = changes(&keys, before, known);
        // Another transformer was faster with a change of the same record: what it noted decides.
        if changes.is_empty() || store.change_shapes(flow, &changes).await? {
            return Ok(plans);
        }
    }
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
