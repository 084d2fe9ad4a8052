//! The deletion of records that a full reading did not list (`extract.sweep`).

use pomost_models::{Operation, Record, Version};
use pomost_rows::ExtractedRow;
use pomost_store::SourceKeyCounts;
use serde_json::value::RawValue;

use super::super::{RunContext, RunPart, RunPosition, page_writer::PageWriter};

use crate::error::Error;

/// Number of keys looked up at a time.
const KEYS_AT_A_TIME: u32 = 1000;

/// Adds the deletions of keys after `after` that earlier runs listed and this one did not. The
/// brake is tried before the first deletion is sent.
pub(super) async fn read(
    context: &RunContext<'_>,
    after: &str,
    position: &RunPosition,
    writer: &mut PageWriter<'_>,
) -> Result<Option<RunPosition>, Error> {
    let (store, run) = (context.store, context.run);
    // The brake compares with all keys, so it is not tried again once deletions have forgotten some
    // of them.
    if after.is_empty() {
        let max_percentage = context.flow().extract.sweep.unwrap_or_default();
        brake(store.count_keys(&run.flow, run.id).await?, max_percentage)?;
    }
    let missing = store
        .missing_keys(&run.flow, run.id, after, KEYS_AT_A_TIME)
        .await?;
    let last = missing.last().cloned();
    for key in missing {
        writer.add(Ok(deletion(key, writer.order_of_run()))).await?;
    }
    Ok(last.map(|last| RunPosition {
        part: RunPart::Missing(last),
        ..position.clone()
    }))
}

/// Refuses to delete more than `max_percentage` of the known records.
fn brake(keys: SourceKeyCounts, max_percentage: u32) -> Result<(), Error> {
    let SourceKeyCounts { known, missing } = keys;
    if missing * 100 <= known * u64::from(max_percentage) {
        return Ok(());
    }
    Err(Error::Permanent(format!(
        "the source does not list {missing} of the {known} records known before, more than the {max_percentage} % of \
         extract.sweep.max_deletes; none was deleted. Mend the listing, or allow more if they are meant to go"
    )))
}

/// The deletion is newer than every record that was read before the run, whatever its version, and
/// older than every delivery since the run began.
fn deletion(key: String, version: Version) -> ExtractedRow {
    ExtractedRow {
        record: Record {
            slot: 0,
            key,
            version,
            op: Operation::Delete,
            data: RawValue::NULL.to_owned(),
            source: None,
        },
        cursor: None,
    }
}
