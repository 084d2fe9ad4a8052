//! Outcomes of records, and the mask that keeps the outcomes of a batch.

use serde::{Deserialize, Serialize};

/// The outcome of a record: how it was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The record did not exist at the destination and was created.
    Created,
    /// The record existed at the destination and was changed.
    Updated,
    /// The record was deleted at the destination.
    Deleted,
    /// The destination already has the same content. Nothing was sent.
    Unchanged,
    /// The mapping left the record out, or the flow has no request for its operation.
    Filtered,
    /// The mapping made several records of this one. They are counted in a batch of their own.
    Split,
    /// A newer version was applied before. Nothing was sent.
    Stale,
    /// The record could not be settled and became a dead letter.
    Dead,
}

impl Outcome {
    /// Every outcome, in the order of listings.
    pub const ALL: [Outcome; 8] = [
        Outcome::Created,
        Outcome::Updated,
        Outcome::Deleted,
        Outcome::Unchanged,
        Outcome::Filtered,
        Outcome::Split,
        Outcome::Stale,
        Outcome::Dead,
    ];

    /// The word used in metrics and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Deleted => "deleted",
            Outcome::Unchanged => "unchanged",
            Outcome::Filtered => "filtered",
            Outcome::Split => "split",
            Outcome::Stale => "stale",
            Outcome::Dead => "dead",
        }
    }

    /// The character of this outcome in [`SlotOutcomes::mask`].
    pub fn symbol(self) -> char {
        match self {
            Outcome::Created => 'c',
            Outcome::Updated => 'u',
            Outcome::Deleted => 'd',
            Outcome::Unchanged => '=',
            Outcome::Filtered => 'f',
            Outcome::Split => '%',
            Outcome::Stale => 's',
            Outcome::Dead => 'x',
        }
    }
}

/// The outcomes of the slots of one batch: one character each, [`SlotOutcomes::UNSETTLED`] for a
/// slot that has not settled.
///
/// A slot settles once. Merging the same mask again changes nothing, so the counts of a run stay
/// exact when messages are delivered twice. There is one exception: a dead letter also counts in a
/// slot that has settled before. When rows shift while a page is read again, the earlier outcome
/// belonged to another record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotOutcomes {
    mask: Vec<u8>,
}

impl SlotOutcomes {
    /// The character of a slot that has not settled.
    pub const UNSETTLED: char = '.';

    /// The character of a slot that no record is known to have: a batch has outcomes of later
    /// slots, but was not recorded with this one. Nobody waits for it.
    pub const VACANT: char = '_';

    /// The mask of `size` slots of which none has settled.
    pub fn unsettled(size: u32) -> SlotOutcomes {
        SlotOutcomes {
            mask: vec![Self::UNSETTLED as u8; size as usize],
        }
    }

    /// Notes the outcome of a slot. A slot beyond the size extends the mask, because a page that is
    /// read again after a crash may have grown.
    pub fn settle(&mut self, slot: u32, outcome: Outcome) {
        let slot = slot as usize;
        if slot >= self.mask.len() {
            self.mask.resize(slot + 1, Self::VACANT as u8);
        }
        self.mask[slot] = outcome.symbol() as u8;
    }

    /// True while no slot has settled.
    pub fn is_all_unsettled(&self) -> bool {
        self.mask
            .iter()
            .all(|&letter| [Self::UNSETTLED, Self::VACANT].contains(&char::from(letter)))
    }

    /// The mask as it is stored.
    pub fn mask(&self) -> &str {
        std::str::from_utf8(&self.mask).unwrap_or_default()
    }

    /// Merges a stored mask with a new one. The first outcome of a slot stays, with one exception:
    /// [`Outcome::Dead`] replaces every outcome but [`Outcome::Stale`], because the letter of a
    /// stale record was closed. The longer mask gives the length.
    pub fn merge(stored: &str, new: &str) -> String {
        let (mut stored, mut new) = (stored.chars(), new.chars());
        let (dead, stale) = (Outcome::Dead.symbol(), Outcome::Stale.symbol());
        std::iter::from_fn(|| match (stored.next(), new.next()) {
            (Some(Self::VACANT) | None, Some(letter)) => Some(letter),
            (Some(Self::UNSETTLED), Some(letter)) if letter != Self::VACANT => Some(letter),
            // An open letter must count, or its run would be taken for a success.
            (Some(known), Some(new)) if new == dead && known != stale => Some(dead),
            (known, _) => known,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_keeps_its_first_outcome() {
        assert_eq!(SlotOutcomes::merge("c..x", "u=.c"), "c=.x");
    }

    #[test]
    fn a_dead_letter_counts_unless_it_is_outdated() {
        assert_eq!(SlotOutcomes::merge("c=s.", "xxxx"), "xxsx");
        assert_eq!(SlotOutcomes::merge("xxsx", "c=s."), "xxsx");
    }

    #[test]
    fn the_longer_batch_wins() {
        assert_eq!(SlotOutcomes::merge("c.", "..f."), "c.f.");
        assert_eq!(SlotOutcomes::merge("c...", "."), "c...");
        assert_eq!(SlotOutcomes::merge("..", "_"), "..");
    }

    #[test]
    fn settling_beyond_the_size_makes_room() {
        let mut outcomes = SlotOutcomes::unsettled(1);
        outcomes.settle(2, Outcome::Created);
        assert_eq!(outcomes.mask(), "._c");
    }

    #[test]
    fn a_slot_waits_once_a_batch_is_recorded_with_it() {
        assert_eq!(SlotOutcomes::merge("_c_x", ".."), ".c_x");
        assert_eq!(SlotOutcomes::merge("..", "__c_x"), "..c_x");
    }
}
