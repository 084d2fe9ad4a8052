//! What the shop must be sent between two moments.

use std::fmt;

use pomost_sandbox::{ExpectedState, ShopCounts};

/// What the shop must hold at one moment, and what it has been sent until then.
#[derive(Debug, Default)]
pub struct Moment {
    /// What it must hold.
    pub expected: ExpectedState,
    /// What it has been sent.
    pub counts: ShopCounts,
}

/// Requests that change a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Customers created.
    pub created: u64,
    /// Customers updated.
    pub updated: u64,
    /// Customers deleted.
    pub deleted: u64,
}

impl Changes {
    /// Those it takes for a shop that holds the one to hold the other, and not one more. A customer
    /// who can no longer cross stays as they were.
    pub fn between(before: &ExpectedState, after: &ExpectedState) -> Changes {
        let (old, new) = (&before.present, &after.present);
        let created = new.keys().filter(|key| !old.contains_key(*key));
        let updated = new
            .iter()
            .filter(|(key, now)| old.get(*key).is_some_and(|then| then != *now));
        let gone = |key: &&String| !new.contains_key(*key) && !after.dead.contains_key(*key);
        Changes {
            created: created.count() as u64,
            updated: updated.count() as u64,
            deleted: old.keys().filter(gone).count() as u64,
        }
    }

    /// Those that were sent between two counts.
    pub fn sent(before: &ShopCounts, after: &ShopCounts) -> Changes {
        Changes {
            created: after.created - before.created,
            updated: after.updated - before.updated,
            deleted: after.deleted - before.deleted,
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changes {
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
