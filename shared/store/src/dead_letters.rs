//! What both implementations do with dead letters alike.

use std::collections::BTreeMap;

use pomost_models::{DeadLetter, Outcome, RunId, SlotOutcomes, Version};

use crate::{Error, Result};

/// The slots of the records that died, by run and batch.
pub(crate) fn slots(letters: &[DeadLetter]) -> BTreeMap<(RunId, &str), SlotOutcomes> {
    let mut slots = BTreeMap::new();
    for letter in letters {
        if let Some(record) = &letter.record {
            slots
                .entry((letter.run, letter.batch.as_str()))
                .or_insert_with(|| SlotOutcomes::unsettled(0))
                .settle(record.slot, Outcome::Dead);
        }
    }
    slots
}

/// The letter as it is stored.
pub(crate) fn to_text(letter: &DeadLetter) -> Result<String> {
    serde_json::to_string(letter).map_err(|_| unreadable(&letter.id))
}

/// The letter that was stored so, and beside it the order key of its version, which grows when its record is read
/// again. What the parser says may hold values of the record.
pub(crate) fn from_text(id: &str, text: &str, version: Option<&str>) -> Result<DeadLetter> {
    let mut letter: DeadLetter = serde_json::from_str(text).map_err(|_| unreadable(id))?;
    if let (Some(record), Some(order_key)) = (&mut letter.record, version) {
        record.version =
            std::mem::replace(&mut record.version, Version::new("")).with_order_of_key(order_key);
    }
    Ok(letter)
}

fn unreadable(id: &str) -> Error {
    Error::Unreadable(format!("the dead letter {id}"))
}
