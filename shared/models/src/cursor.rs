//! Values of cursors, and the rows of the store that keep them.

use std::fmt;

use jiff::{Timestamp, civil::DateTime};

use crate::{Version, VersionType};

/// The kind of a cursor's value, recognised by its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorKind {
    /// A time with or without a zone, or a date.
    Time,
    /// A decimal number.
    Number,
    /// Neither of both. Such values are compared character by character.
    Text,
}

impl CursorKind {
    /// The kind that a value looks like.
    pub fn of(value: &str) -> CursorKind {
        // Digits alone are a number, although they may also be read as a date: 20260101.
        if Version::of_type(value, VersionType::Number).is_some() {
            return CursorKind::Number;
        }
        match value.parse::<Timestamp>().is_ok() || value.parse::<DateTime>().is_ok() {
            true => CursorKind::Time,
            false => CursorKind::Text,
        }
    }
}

/// The name of a row in the store's cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorName<'f> {
    /// The cursor of a flow.
    Flow(&'f str),
    /// The note beside a flow's cursor that the source gives cursor values as text which look like
    /// numbers. No flow has a colon in its name.
    ValueType(&'f str),
}

impl fmt::Display for CursorName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CursorName::Flow(flow) => f.write_str(flow),
            CursorName::ValueType(flow) => write!(f, "type:{flow}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_time_a_number_or_text_by_its_look() {
        for time in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T12:30",
            "2026-01-01",
            "20260101T120000",
        ] {
            assert_eq!(CursorKind::of(time), CursorKind::Time, "{time}");
        }
        for number in ["0", "-1.5", "1e400", "20260101"] {
            assert_eq!(CursorKind::of(number), CursorKind::Number, "{number}");
        }
        for text in ["", "abc", "inf", "next-42"] {
            assert_eq!(CursorKind::of(text), CursorKind::Text, "{text}");
        }
    }

    #[test]
    fn the_note_about_a_cursor_is_kept_under_a_name_that_no_flow_has() {
        assert_eq!(CursorName::Flow("customers").to_string(), "customers");
        assert_eq!(
            CursorName::ValueType("customers").to_string(),
            "type:customers"
        );
    }
}
