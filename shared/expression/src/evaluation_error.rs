//! The errors of evaluating an expression.

use std::fmt::{self, Write as _};

use jaq_core::Error as JaqError;

use crate::{
    Value,
    budget::{EvaluationBound, MAX_TEXT},
    functions::{self, paths::kind},
    wording,
};

/// An expression that failed on a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// The JSON pointer (RFC 6901) of the field under construction, where it is known.
    pub pointer: Option<String>,
    /// The description of the error. It names types and never holds a value of the record.
    pub message: String,
    /// The place in its file where the expression raised the error, `file:line:column`; line and
    /// column of the expression where it stands in no known file.
    pub place: Option<String>,
    /// The text or value that the expression's author gave to `error`. It may hold values of the
    /// record.
    pub raised: Option<RaisedError>,
}

impl std::error::Error for EvaluationError {}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.place
            .iter()
            .try_for_each(|place| write!(f, " ({place})"))
    }
}

/// The text that an expression's author gave to `error`, or the JSON of another value. It may hold
/// values of the record: it is shown to nobody before sensitive values are masked in it.
#[derive(Clone, PartialEq, Eq)]
pub struct RaisedError(String);

impl RaisedError {
    /// The text as it is, without anything masked.
    pub fn unmasked(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RaisedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raised(…)")
    }
}

impl EvaluationError {
    /// An error that is not about one field. The message must hold no value of the record.
    pub fn new(message: impl Into<String>) -> EvaluationError {
        EvaluationError {
            pointer: None,
            message: message.into(),
            place: None,
            raised: None,
        }
    }

    /// The error of an evaluation that exceeded a bound.
    pub(crate) fn exceeded(bound: EvaluationBound) -> EvaluationError {
        EvaluationError::new(bound.to_string())
    }

    /// The error with the word at which it was raised, and the type of that word's input.
    pub(crate) fn at(self, word: &str, input: &str) -> EvaluationError {
        if self.message != UNKNOWN {
            return self;
        }
        let came = a_type(if input == "string" { "text" } else { input });
        let message = match word {
            "error" => {
                "the expression raised text as its error, which may hold values of the record"
                    .into()
            }
            "fromdate" | "fromdateiso8601" => {
                format!(
                    "expected a time with its offset, such as 2026-11-24T12:00:00Z, found {came}"
                )
            }
            word => format!("'{word}' cannot use {came} as it is"),
        };
        EvaluationError { message, ..self }
    }

    /// The error without the values that jaq puts into its messages.
    pub(crate) fn of(error: JaqError<Value>, source: &str) -> EvaluationError {
        // What is too long to be written is too long to be raised as well.
        if !is_short(&error) {
            return EvaluationError::new(UNKNOWN);
        }
        let raised = error.into_val();
        let (text, kind) = (
            crate::text(&raised).filter(|_| matches!(raised, Value::TStr(_))),
            kind(&raised),
        );
        let message = match &text {
            Some(text) => without_values(text, source),
            None => format!(
                "the expression raised {} as its error, not text",
                a_type(kind)
            ),
        };
        // An error of jq's that is caught and raised again says more with types than with its
        // quoted values.
        let is_told = text
            .as_ref()
            .is_some_and(|text| wording::shown(text, &|_| false).is_some());
        let raised = text
            .or_else(|| crate::write(&raised).ok())
            .filter(|_| !is_told)
            .map(RaisedError);
        EvaluationError {
            raised,
            ..EvaluationError::new(message)
        }
    }
}

fn a_type(kind: &str) -> String {
    match kind {
        "null" | "text" => kind.to_owned(),
        "array" | "object" => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

/// The message in place of one that may hold values of the record.
const UNKNOWN: &str = "the expression raised an error whose text may hold values of the record";

/// True where an error's text is short enough to be written: jaq puts whole values into it, however
/// large.
fn is_short(error: &JaqError<Value>) -> bool {
    struct Room(usize);
    impl fmt::Write for Room {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    write!(Room(MAX_TEXT), "{error}").is_ok()
}

fn without_values(message: &str, source: &str) -> String {
    let literal = |text: &str| !text.is_empty() && source.contains(text);
    if literal(message) {
        return message.to_owned();
    }
    functions::own_message(message, &literal)
        .or_else(|| wording::shown(message, &literal))
        .or_else(|| invalid_regex(message))
        .or_else(|| known_form(message, &literal))
        .unwrap_or_else(|| UNKNOWN.into())
}

/// The forms of jaq's own messages, each value replaced by its type.
fn known_form(message: &str, literal: &dyn Fn(&str) -> bool) -> Option<String> {
    if let Some(rest) = message.strip_prefix("cannot use ") {
        let (value, wanted) = rest.rsplit_once(" as ")?;
        let known = [
            "string",
            "number",
            "integer",
            "array",
            "object",
            "iterable (array or object)",
            "rangeable (array or string)",
            "character",
        ];
        return known
            .contains(&wanted)
            .then(|| format!("cannot use {} as {wanted}", a_type(type_of(value))));
    }
    if let Some(rest) = message.strip_prefix("cannot index ") {
        let (value, index) = rest.rsplit_once(" with ")?;
        let index = if literal(index.trim_matches('"')) {
            index
        } else {
            type_of(index)
        };
        return Some(format!("cannot index {} with {index}", type_of(value)));
    }
    if let Some(rest) = message.strip_prefix("cannot calculate ") {
        let operator = [" + ", " - ", " * ", " / ", " % "]
            .into_iter()
            .find(|operator| rest.contains(operator))?;
        let (left, right) = rest.split_once(operator)?;
        return Some(format!(
            "cannot calculate {}{operator}{}",
            type_of(left),
            type_of(right)
        ));
    }
    if message.starts_with("invalid path expression") {
        return Some("expected a path such as .a[0].b, which what a function makes is not".into());
    }
    let prefixes = ["cannot parse", "cannot convert", "split input"];
    let prefix = prefixes
        .into_iter()
        .find(|prefix| message.starts_with(prefix))?;
    Some(match message.rsplit_once(" to ") {
        Some((_, "time")) => "cannot convert a value to a time".into(),
        _ => format!("{prefix}: the value is not of the form that is asked for"),
    })
}

/// Explains why a regex is invalid, in the words of the libraries, without those that quote the
/// regex.
fn invalid_regex(message: &str) -> Option<String> {
    let reason = message.strip_prefix("invalid regex: ")?;
    let reason = reason
        .rsplit_once("error: ")
        .map_or(reason, |(_, reason)| reason)
        .trim();
    let is_plain = |reason: &&str| REASONS.iter().any(|known| reason.ends_with(known));
    let reason = reason
        .rsplit(": ")
        .next()
        .filter(is_plain)
        .unwrap_or("it does not follow the rules of regexes");
    Some(format!("invalid regex: {reason}"))
}

/// The reasons of the libraries of regexes that hold no part of the regex.
const REASONS: &[&str] = &[
    "Opening parenthesis without closing parenthesis",
    "Unclosed opening parenthesis",
    "Invalid repeat syntax",
    "Target of repeat operator is invalid",
    "Recursion depth exceeded",
    "Invalid character class",
    "Invalid hex escape",
    "Invalid codepoint value",
    "Invalid back reference",
    "Invalid group",
    "Pattern too deeply nested",
    "Look-behind assertion without constant size",
    "Backslash without following character",
    "unclosed group",
    "unopened group",
    "unclosed character class",
    "repetition operator missing expression",
    "unclosed counted repetition",
    "invalid character class range, the start must be <= the end",
    "invalid repetition count range, the start must be <= the end",
    "unrecognized escape sequence",
    "empty capture group name",
    "incomplete escape sequence, reached end of pattern prematurely",
];

/// Our name for the type of a value, by how it is written.
fn type_of(json: &str) -> &'static str {
    match wording::kind_of(json) {
        "string" => "text",
        kind => kind,
    }
}
