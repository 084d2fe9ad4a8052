//! Deleting what a full reading did not list.

use pomost_models::{Operation, Record, Version};
use pomost_store::SourceKeyCounts;
use serde_json::value::RawValue;

use crate::{
    checkpoint::{Part, Place},
    extraction::{Error, Extraction},
    rows::Row,
    unit::Unit,
};

/// How many keys are looked up at a time.
const TOGETHER: u32 = 1000;

impl Extraction<'_> {
    /// Adds the deletions of the keys after one that earlier runs listed and this one did not. The
    /// brake is tried before the first is sent.
    pub(crate) async fn missing(
        &self,
        after: &str,
        place: &Place,
        unit: &mut Unit<'_>,
    ) -> Result<Option<Place>, Error> {
        let (store, run) = (self.context.store(), self.run);
        if after.is_empty() {
            self.brake(store.count_keys(&run.flow, run.id).await?)?;
        }
        let missing = store
            .missing_keys(&run.flow, run.id, after, TOGETHER)
            .await?;
        let last = missing.last().cloned();
        for key in missing {
            let deletion = deletion(key, unit.beginning());
            unit.add_row(Ok(deletion)).await?;
        }
        Ok(last.map(|last| Place {
            part: Part::Missing(last),
            ..place.clone()
        }))
    }

    fn brake(&self, keys: SourceKeyCounts) -> Result<(), Error> {
        let percentage = self.flow().extract.sweep.unwrap_or_default();
        let SourceKeyCounts { known, missing } = keys;
        if missing * 100 <= known * u64::from(percentage) {
            return Ok(());
        }
        Err(Error::Source(format!(
            "the source does not list {missing} of the {known} records known before, more than the {percentage} % of \
             extract.sweep.max_deletes; none was deleted. Mend the listing, or allow more if they are meant to go"
        )))
    }
}

/// It is newer than what was read before the run: whatever the version of that was, the source has it no more.
/// Whoever was told of the record since the run began wins.
fn deletion(key: String, version: Version) -> Row {
    let data = RawValue::NULL.to_owned();
    Row {
        record: Record {
            slot: 0,
            key,
            version,
            op: Operation::Delete,
            data,
            source: None,
        },
        cursor: None,
    }
}
