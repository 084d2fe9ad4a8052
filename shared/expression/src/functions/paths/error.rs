//! The errors of paths, in jq's words.

use std::fmt::{self, Write as _};

use jaq_core::{Error, ValX};

use crate::{
    Value,
    budget::{EvaluationBound, EvaluationContext},
};

/// Number of bytes of a value that jq shows in an error.
const SHOWN: usize = 29;

/// The reason why a path could not be followed or changed.
pub(super) enum PathError {
    Error(Error<Value>),
    EvaluationBound(EvaluationBound),
}

impl PathError {
    pub(super) fn of(message: impl ToString) -> PathError {
        PathError::Error(Error::str(message))
    }

    pub(super) fn raise<'a, T>(self, evaluation: &EvaluationContext<'a>) -> ValX<'a, T, Value> {
        match self {
            PathError::Error(error) => Err(error.into()),
            PathError::EvaluationBound(bound) => evaluation.or_halt(Err(bound)),
        }
    }
}

impl From<Error<Value>> for PathError {
    fn from(error: Error<Value>) -> PathError {
        PathError::Error(error)
    }
}

impl From<EvaluationBound> for PathError {
    fn from(bound: EvaluationBound) -> PathError {
        PathError::EvaluationBound(bound)
    }
}

/// jq's name for the type of a value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Num(_) => "number",
        Value::TStr(_) | Value::BStr(_) => "string",
        Value::Arr(_) => "array",
        Value::Obj(_) => "object",
    }
}

/// The words for a value in jq's errors: `string ("a")`, shortened where it is long.
pub(crate) fn described(value: &Value) -> String {
    described_as(kind(value), value)
}

/// Describes a value that is written already.
pub(crate) fn described_as(kind: &str, value: &impl fmt::Display) -> String {
    let mut shown = ShortenedText(String::new());
    // What does not fit is an error of the writer, and left out.
    let is_whole = write!(shown, "{value}").is_ok();
    let ShortenedText(mut shown) = shown;
    if !is_whole {
        let end = if shown.starts_with('"') {
            "...\""
        } else {
            "..."
        };
        shown.truncate(shown.floor_char_boundary(SHOWN - end.len()));
        shown.push_str(end);
    }
    format!("{kind} ({shown})")
}

struct ShortenedText(String);

impl fmt::Write for ShortenedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SHOWN - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}
