//! The kinds of values that a cursor has.

use jiff::{Timestamp, civil::DateTime};
use pomost_models::{Version, VersionType};

/// The kind of a cursor's value, as it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorKind {
    /// A time, with a zone or without, or a date.
    Time,
    Number,
    /// Neither; compared character by character.
    Text,
}

impl CursorKind {
    /// The kind that a value looks like.
    pub fn of(text: &str) -> CursorKind {
        if Version::of_type(text, VersionType::Number).is_some() {
            return CursorKind::Number;
        }
        match text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok() {
            true => CursorKind::Time,
            false => CursorKind::Text,
        }
    }
}
