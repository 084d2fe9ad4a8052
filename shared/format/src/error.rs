//! Why a body is not what its format says.

use std::fmt;

/// Why a body is not what its format says, and where. It holds no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{format}, row {row}, {place}: {problem}")]
pub struct DecodeError {
    /// The format's name.
    pub format: &'static str,
    /// The row that was being read, from 1.
    pub row: u64,
    /// Where in the body.
    pub place: DecodePlace,
    /// What is wrong there.
    pub problem: DecodeProblem,
}

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodePlace {
    /// A byte, from 0: of the body where its characters are wrong, otherwise of its text in UTF-8.
    Byte(u64),
    /// A line, from 1.
    Line(u64),
    /// A line and a column in bytes, from 1.
    Column {
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
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

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeProblem {
    /// Its bytes are not characters of its charset.
    #[error("not {0}; give the encoding that the system sends")]
    Charset(&'static str),
    /// More would have to be held at once than is allowed.
    #[error("{what} is longer than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How many bytes are allowed.
        limit: usize,
    },
    /// The body ends too early: it was cut off on its way.
    #[error("the body ends here; expected {0}")]
    Truncated(String),
    /// Something else stands here than the format allows.
    #[error("{0}")]
    Malformed(String),
}

/// What is wrong and where, before it is known which row of which format it is.
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
