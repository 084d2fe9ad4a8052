//! The requests that the shop has to be sent between two moments.

use std::fmt;

use pomost_sandbox::{ExpectedState, ShopCounts};

/// The state that the shop must have at one moment, and the requests that it has been sent until
/// then.
#[derive(Debug, Default)]
pub struct ShopMoment {
    pub expected: ExpectedState,
    pub counts: ShopCounts,
}

/// Number of requests that change a shop, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeCounts {
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
}

impl ChangeCounts {
    /// The fewest changes that lead from one state of a shop to the other. A customer who can no
    /// longer cross stays as they were.
    pub fn between(before: &ExpectedState, after: &ExpectedState) -> ChangeCounts {
        let (old, new) = (&before.present, &after.present);
        let created = new.keys().filter(|key| !old.contains_key(*key));
        let updated = new
            .iter()
            .filter(|(key, now)| old.get(*key).is_some_and(|then| then != *now));
        let gone = |key: &&String| !new.contains_key(*key) && !after.dead.contains_key(*key);
        ChangeCounts {
            created: created.count() as u64,
            updated: updated.count() as u64,
            deleted: old.keys().filter(gone).count() as u64,
        }
    }

    /// The changes that were sent between two counts.
    pub fn sent(before: &ShopCounts, after: &ShopCounts) -> ChangeCounts {
        ChangeCounts {
            created: after.created - before.created,
            updated: after.updated - before.updated,
            deleted: after.deleted - before.deleted,
        }
    }
}

impl fmt::Display for ChangeCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChangeCounts {
            created,
            updated,
            deleted,
        } = self;
        write!(
            f,
            "{created} creates, {updated} updates and {deleted} deletes"
        )
    }
}
