//! Telling a source that leads in a circle.

use std::collections::HashSet;

use crate::{extraction::Error, position::Position};

/// How many pages in a row may be without rows.
const MAX_EMPTY_PAGES: usize = 10_000;

/// How many pages in a row may have rows that came before: one that repeats another is also what a
/// listing looks like in which as many rows were inserted as a page holds.
const MAX_REPEATED_PAGES: usize = 1;

/// The positions and pages of one listing so far, pages by a hash of their rows. A source that names a
/// page twice, or answers every page with the same rows, would be read for ever.
#[derive(Default)]
pub struct Seen {
    positions: HashSet<Position>,
    pages: HashSet<u64>,
    repeated: usize,
    empty: usize,
}

impl Seen {
    /// Notes a page whose rows have all come, with their hash where there are any, or says why reading on
    /// would not end.
    pub fn note(&mut self, position: &Position, rows: Option<u64>) -> Result<(), Error> {
        if !self.positions.insert(position.clone()) {
            return Err(Error::Source(
                "the source leads to a page that this run has read already".into(),
            ));
        }
        let Some(hash) = rows else {
            return self.note_empty();
        };
        self.empty = 0;
        self.repeated = if self.pages.insert(hash) {
            0
        } else {
            self.repeated + 1
        };
        if self.repeated > MAX_REPEATED_PAGES {
            let message = "the source answers page after page of this run with the same rows: it ignores the page it is \
                           asked for, or answers the last one again past the end; check paginate, and name the \
                           last page by 'last'";
            return Err(Error::Source(message.into()));
        }
        Ok(())
    }

    fn note_empty(&mut self) -> Result<(), Error> {
        self.empty += 1;
        if self.empty < MAX_EMPTY_PAGES {
            return Ok(());
        }
        Err(Error::Source(format!(
            "the source answers {MAX_EMPTY_PAGES} pages in a row without rows; check paginate"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_rows_and_without_an_end_is_found_out() {
        let mut seen = Seen::default();
        let mut note = |page: usize, rows| seen.note(&Position::Number(page as u64), rows);
        for page in 1..MAX_EMPTY_PAGES {
            note(page, None).unwrap();
        }
        note(MAX_EMPTY_PAGES, Some(1)).unwrap();
        for page in 1..MAX_EMPTY_PAGES {
            note(MAX_EMPTY_PAGES + page, None).unwrap();
        }
        let error = note(2 * MAX_EMPTY_PAGES, None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("10000 pages in a row without rows"),
            "{error}"
        );
    }
}
