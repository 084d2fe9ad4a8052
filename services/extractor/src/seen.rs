//! Telling a source that leads in a circle.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use pomost_expression::Value;

use crate::{extraction::Error, position::Position};

/// How many pages in a row may be without rows.
const MAX_EMPTY_PAGES: usize = 10_000;

/// The positions and pages of one listing so far, by hash: eight bytes each, however many there are. A
/// source that names a page twice, or answers every page with the same rows, would be read for ever.
#[derive(Default)]
pub struct Seen {
    positions: HashSet<u64>,
    pages: HashSet<u64>,
    empty: usize,
}

impl Seen {
    /// Notes a page, or says why reading on would not end.
    pub fn note(&mut self, position: &Position, rows: &[Value]) -> Result<(), Error> {
        if !self.positions.insert(hash_of(position)) {
            return Err(Error::Source("the source leads to a page that this run has read already".into()));
        }
        if !rows.is_empty() && !self.pages.insert(hash_of(&rows)) {
            let message = "the source answers two pages of this run with the same rows: it ignores the page it is \
                           asked for; check paginate";
            return Err(Error::Source(message.into()));
        }
        self.empty = if rows.is_empty() { self.empty + 1 } else { 0 };
        if self.empty == MAX_EMPTY_PAGES {
            return Err(Error::Source(format!(
                "the source answers {MAX_EMPTY_PAGES} pages in a row without rows; check paginate"
            )));
        }
        Ok(())
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
