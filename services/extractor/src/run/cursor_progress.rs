//! The progress of a run's cursor, row by row.

use pomost_models::Version;
use pomost_rows::cursor::{self, CursorKind, WallClock};

use super::Checkpoint;

impl Checkpoint {
    /// Advances the reached cursor to a row's cursor. Returns `false` if that has another type than
    /// the cursors before it, since it would outrank them all, or be outranked, for ever.
    ///
    /// A cursor later than the run's beginning does not count: a row on an earlier page may have
    /// changed before it, and since it was read.
    pub(super) fn advance(&mut self, cursor: Option<Version>, clock: WallClock<'_>) -> bool {
        let Some(cursor) = cursor.filter(|cursor| !self.is_after_beginning(cursor, clock)) else {
            return true;
        };
        self.contradicted |= self.contradicts(&cursor);
        self.reached_is_text = Some(cursor.is_text());
        let cursor = Version::new(cursor.as_str());
        let (reached, fits) = match self.reached.take() {
            None => (cursor, true),
            Some(reached) if self.is_other_notation(&reached, &cursor) => (cursor, true),
            Some(reached) if !cursor.compares_with(&reached) => (reached, false),
            Some(_) if self.contradicted => (cursor, true),
            Some(reached) => (reached.max(cursor), true),
        };
        self.reached = Some(reached);
        fits
    }

    fn is_after_beginning(&self, cursor: &Version, clock: WallClock<'_>) -> bool {
        self.began_at
            .is_some_and(|began| cursor::is_certainly_later(cursor.as_str(), began, clock))
    }

    /// True if the run began at a time that somebody set in another notation than the source's: at
    /// a date where it has instants, or the reverse. Those have no common order.
    fn is_other_notation(&self, reached: &Version, cursor: &Version) -> bool {
        let is_time = |version: &Version| CursorKind::of(version.as_str()) == CursorKind::Time;
        let is_unmoved = self.cursor_at_start.as_deref() == Some(reached.as_str());
        is_unmoved && !cursor.compares_with(reached) && is_time(reached) && is_time(cursor)
    }

    /// True if the source listed a text that is less than the one it was asked from. Then it does
    /// not order texts character by character, and from there on the cursor that is read last
    /// counts: nothing lies between it and the text that was asked for, since no overlap is taken
    /// from a text.
    fn contradicts(&self, cursor: &Version) -> bool {
        let (since, at_start) = (self.since.as_deref(), self.cursor_at_start.as_deref());
        // The comparison comes first: it is cheap, and false of most rows.
        let since = since.filter(|since| cursor.as_str() < *since && Some(*since) == at_start);
        let is_text = |text: &str| CursorKind::of(text) == CursorKind::Text;
        since.is_some_and(|since| is_text(since) && is_text(cursor.as_str()))
    }
}
