//! How records settle, and how a batch keeps count of it.

use serde::{Deserialize, Serialize};

/// How a record settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It did not exist at the destination and now does.
    Created,
    /// It existed and was changed.
    Updated,
    /// It was deleted.
    Deleted,
    /// The destination has the same content already; nothing was sent.
    Unchanged,
    /// The mapping left it out, or the flow does not do what it needs.
    Filtered,
    /// The mapping made several records of it, which are counted in a batch of their own.
    Split,
    /// A newer version had been applied; nothing was sent.
    Stale,
    /// It could not be settled and is a dead letter.
    Dead,
}

impl Outcome {
    /// Every outcome, in the order listings show them.
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

    /// The character that stands for it in [`SlotOutcomes::mask`].
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

/// What is known about the slots of one batch: one character each, [`SlotOutcomes::WAITING`] for those
/// that have not settled.
///
/// A slot settles once. Merging the same mask again changes nothing, which is what keeps the counts
/// of a run exact when messages are delivered twice. Only a dead letter counts though its slot has settled: where
/// rows shift while a page is read again, that was another record's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotOutcomes {
    mask: Vec<u8>,
}

impl SlotOutcomes {
    /// The character of a slot that has not settled.
    pub const UNSETTLED: char = '.';

    /// A batch of `size` records of which none has settled.
    pub fn unsettled(size: u32) -> SlotOutcomes {
        SlotOutcomes {
            mask: vec![Self::UNSETTLED as u8; size as usize],
        }
    }

    /// Notes how the record in `slot` settled. A slot beyond the size makes room for itself: a
    /// page read again after a crash may have grown.
    pub fn settle(&mut self, slot: u32, outcome: Outcome) {
        let slot = slot as usize;
        if slot >= self.mask.len() {
            self.mask.resize(slot + 1, Self::UNSETTLED as u8);
        }
        self.mask[slot] = outcome.symbol() as u8;
    }

    /// Whether no slot has settled.
    pub fn is_all_unsettled(&self) -> bool {
        self.mask
            .iter()
            .all(|&letter| letter == Self::UNSETTLED as u8)
    }

    /// The text that is stored.
    pub fn mask(&self) -> &str {
        std::str::from_utf8(&self.mask).unwrap_or_default()
    }

    /// Merges what is stored with what is new: the first outcome of a slot stays unless the new one is
    /// [`Outcome::Dead`], which only [`Outcome::Stale`] outlives: its letter was closed. The longer size wins.
    pub fn merge(stored: &str, new: &str) -> String {
        let (mut stored, mut new) = (stored.chars(), new.chars());
        let (dead, stale) = (Outcome::Dead.symbol(), Outcome::Stale.symbol());
        std::iter::from_fn(|| match (stored.next(), new.next()) {
            (Some(Self::UNSETTLED) | None, Some(letter)) => Some(letter),
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
    }

    #[test]
    fn settling_beyond_the_size_makes_room() {
        let mut outcomes = SlotOutcomes::unsettled(1);
        outcomes.settle(2, Outcome::Created);
        assert_eq!(outcomes.mask(), "..c");
    }
}
