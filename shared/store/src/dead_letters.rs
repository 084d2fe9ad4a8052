//! Dead letters: the records that could not be settled, with the reason.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use pomost_models::{DeadLetter, DeadLetterReason, Outcome, RunId, SlotOutcomes, Stage, Version};

use crate::{Error, Result};

/// Archives, lists and closes dead letters.
///
/// A letter *stands* while it is open and in no replay, and after it was discarded. A record of the
/// same flow, stage, key and fingerprint as a standing letter is dead without a letter of its own.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Archives dead letters and counts their slots as [`Outcome::Dead`], in one transaction. A
    /// letter that is archived already stays as it is; one without a record has no slot.
    ///
    /// A letter is not archived where an equal one stands; its change then blocks nothing. For
    /// flows that apply only the latest version of a key, an archived letter closes the standing
    /// ones of older versions, whose slots stay dead.
    async fn archive_dead_letters(&self, letters: &[DeadLetter]) -> Result<()>;

    /// The dead letters that match a filter, oldest first.
    async fn dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<DeadLetter>>;

    /// Closes the standing letters of these keys whose version is older than the one that was
    /// applied, so that their changes block nothing any more. The slots of open ones become
    /// [`Outcome::Stale`]. Returns the number of letters.
    async fn supersede_dead_letters(&self, flow: &str, keys: &[&str]) -> Result<u64>;

    /// Closes open letters for good, so that their changes block nothing any more. They still
    /// stand: equal records stay dead without a letter. Returns the number of letters that were
    /// open.
    async fn discard_dead_letters(&self, ids: &[String]) -> Result<u64>;

    /// Counts the open letters of each flow that died since then. Flows without any are left out.
    async fn count_dead_letters(&self, since: Timestamp) -> Result<BTreeMap<String, u64>>;
}

/// Selects dead letters. A field that is `None` selects all.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterFilter {
    /// An id, or the beginning of one.
    pub id: Option<String>,
    /// Selects the letters that were replayed, discarded or superseded as well as the open ones.
    pub include_closed: bool,
    pub flow: Option<String>,
    pub stage: Option<Stage>,
    pub reason: Option<DeadLetterReason>,
    /// The run that the record died in.
    pub run: Option<RunId>,
    /// The run of the replay that the letter belongs to.
    pub replayed_in: Option<RunId>,
    /// Id of the last letter of the previous page: only letters after it are selected.
    pub after: Option<String>,
    /// Largest number of letters.
    pub limit: u32,
}

/// The outcomes of the slots whose records died, by run and batch.
pub(crate) fn dead_slots(letters: &[DeadLetter]) -> BTreeMap<(RunId, &str), SlotOutcomes> {
    let mut slots = BTreeMap::new();
    for letter in letters {
        if let Some(record) = &letter.record {
            slots
                .entry((letter.run, letter.batch.as_str()))
                .or_insert_with(|| SlotOutcomes::waiting(0))
                .settle(record.slot, Outcome::Dead);
        }
    }
    slots
}

/// The stored text of a letter.
pub(crate) fn to_text(letter: &DeadLetter) -> Result<String> {
    serde_json::to_string(letter).map_err(|_| unreadable(&letter.id))
}

/// The letter of a stored text. The order key of its version is stored beside it, since it grows
/// when its record is read again.
pub(crate) fn from_text(id: &str, text: &str, order_key: Option<&str>) -> Result<DeadLetter> {
    // The parser's message may hold values of the record.
    let mut letter: DeadLetter = serde_json::from_str(text).map_err(|_| unreadable(id))?;
    if let (Some(record), Some(order_key)) = (&mut letter.record, order_key) {
        record.version =
            std::mem::replace(&mut record.version, Version::new("")).read_with(order_key);
    }
    Ok(letter)
}

fn unreadable(id: &str) -> Error {
    Error::Unreadable(format!("the dead letter {id}"))
}
