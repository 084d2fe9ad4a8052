//! Detection of a source that leads in a circle.

use std::collections::HashSet;

use super::PagePosition;
use crate::error::Error;

/// Number of pages in a row that may be without rows.
const MAX_EMPTY_PAGES: usize = 10_000;

/// Number of pages in a row that may repeat the rows of earlier ones. One repetition is allowed: a
/// listing repeats a page if as many rows were inserted before it as a page holds.
const MAX_REPEATED_PAGES: usize = 1;

/// The positions and pages of one listing so far, pages by a hash of their rows. Without it, a
/// source that names a page twice, or answers every page with the same rows, would be read for
/// ever.
#[derive(Default)]
pub(crate) struct LoopGuard {
    positions: HashSet<PagePosition>,
    page_hashes: HashSet<u64>,
    repeated: usize,
    empty: usize,
}

impl LoopGuard {
    /// Checks a page whose rows have all arrived; `rows` is their hash, if there are any. The error
    /// says why reading on would not end.
    pub(crate) fn check(
        &mut self,
        position: &PagePosition,
        rows: Option<u64>,
    ) -> Result<(), Error> {
        if !self.positions.insert(position.clone()) {
            return Err(Error::Permanent(
                "the source leads to a page that this run has read already".into(),
            ));
        }
        match rows {
            Some(hash) => self.check_rows(hash),
            None => self.check_empty(),
        }
    }

    fn check_rows(&mut self, hash: u64) -> Result<(), Error> {
        self.empty = 0;
        self.repeated = if self.page_hashes.insert(hash) {
            0
        } else {
            self.repeated + 1
        };
        if self.repeated <= MAX_REPEATED_PAGES {
            return Ok(());
        }
        let message = "the source answers page after page of this run with the same rows: it ignores the page it is \
                       asked for, or answers the last one again past the end; check paginate, and name the \
                       last page by 'last'";
        Err(Error::Permanent(message.into()))
    }

    fn check_empty(&mut self) -> Result<(), Error> {
        self.empty += 1;
        if self.empty < MAX_EMPTY_PAGES {
            return Ok(());
        }
        Err(Error::Permanent(format!(
            "the source answers {MAX_EMPTY_PAGES} pages in a row without rows; check paginate"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_rows_and_without_an_end_is_found_out() {
        let mut guard = LoopGuard::default();
        let mut check = |page: usize, rows| guard.check(&PagePosition::Number(page as u64), rows);
        for page in 1..MAX_EMPTY_PAGES {
            check(page, None).unwrap();
        }
        check(MAX_EMPTY_PAGES, Some(1)).unwrap();
        for page in 1..MAX_EMPTY_PAGES {
            check(MAX_EMPTY_PAGES + page, None).unwrap();
        }
        let error = check(2 * MAX_EMPTY_PAGES, None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("10000 pages in a row without rows"),
            "{error}"
        );
    }
}
