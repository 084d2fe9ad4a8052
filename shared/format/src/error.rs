//! Errors in bodies that do not follow their format.

use std::fmt;

/// An error in a body that does not follow its format. It contains no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{format}, row {row}, {place}: {problem}")]
pub struct DecodeError {
    pub format: &'static str,
    /// The number of the row that was being read, from 1.
    pub row: u64,
    pub place: DecodePlace,
    pub problem: DecodeProblem,
}

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodePlace {
    /// A byte, from 0. Where characters are wrong, it counts bytes of the body, otherwise bytes of
    /// its text in UTF-8.
    Byte(u64),
    /// A line, from 1.
    Line(u64),
    /// A line and a column in bytes, from 1.
    Column { line: u64, column: u64 },
}

impl fmt::Display for DecodePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodePlace::Byte(byte) => write!(formatter, "byte {byte}"),
            DecodePlace::Line(line) => write!(formatter, "line {line}"),
            DecodePlace::Column { line, column } => {
                write!(formatter, "line {line} column {column}")
            }
        }
    }
}

/// The problem of a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeProblem {
    /// Its bytes are not characters of this charset.
    #[error("not {0}; give the encoding that the system sends")]
    Charset(&'static str),
    /// More than the limit would have to be held at once.
    #[error("{what} is longer than {limit} bytes")]
    TooLarge {
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body ends too early: it was cut off on its way.
    #[error("the body ends here; expected {0}")]
    Truncated(String),
    /// The body contains something that the format does not allow.
    #[error("{0}")]
    Malformed(String),
}

/// A problem and its place, before the row and the format are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedProblem {
    pub(crate) place: DecodePlace,
    pub(crate) problem: DecodeProblem,
}

impl PlacedProblem {
    pub(crate) fn malformed(place: DecodePlace, message: impl Into<String>) -> PlacedProblem {
        PlacedProblem {
            place,
            problem: DecodeProblem::Malformed(message.into()),
        }
    }

    pub(crate) fn truncated(place: DecodePlace, expected: impl Into<String>) -> PlacedProblem {
        PlacedProblem {
            place,
            problem: DecodeProblem::Truncated(expected.into()),
        }
    }

    pub(crate) fn too_large(place: DecodePlace, what: &'static str, limit: usize) -> PlacedProblem {
        PlacedProblem {
            place,
            problem: DecodeProblem::TooLarge { what, limit },
        }
    }

    pub(crate) fn in_row(self, format: &'static str, row: u64) -> DecodeError {
        DecodeError {
            format,
            row,
            place: self.place,
            problem: self.problem,
        }
    }
}
