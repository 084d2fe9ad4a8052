//! The functions that the language has beside jq's, and those of jq's that it lacks.
//!
//! It lacks all that reach outside the record: a mapping is a pure function. It has conversions
//! that business records need and that jq lacks or does loosely; see [`SUBJECTS`].

mod arrays;
mod calendar;
mod code;
mod differences;
mod digest;
mod document;
pub(crate) mod errors;
mod library;
mod math;
mod number;
pub(crate) mod paths;
mod phone;
mod regex;
mod rows;
mod standard;
mod streams;
mod strings;
mod text;
mod time;
mod values;

use jaq_core::{Cv, Error, ValR, ValX, ValXs, box_iter::box_once, native::Fun};

use crate::{
    Value,
    arithmetic::NO_DIVISOR,
    budget::{self, BoundedData},
    decimal::NO_DECIMAL,
};

pub use differences::{DIFFERENCES, JqDifference, LEFT_OUT_OF_JQ, MORE_THAN_JQ};
pub use document::document;
pub use library::names;
pub(crate) use library::{all, definitions};

/// The functions that jq lacks or defines in another way, by subject. Each converts, or is an
/// error.
pub const SUBJECTS: [FunctionSubject; 5] = [
    text::SUBJECT,
    number::SUBJECT,
    time::SUBJECT,
    code::SUBJECT,
    digest::SUBJECT,
];

/// Added functions of one subject.
pub struct FunctionSubject {
    pub title: &'static str,
    pub functions: &'static [AddedFunction],
    natives: fn() -> Vec<Fun<BoundedData>>,
    /// Messages of values that do not convert. These texts hold no value of a record, so they may
    /// be shown.
    messages: &'static [&'static str],
    /// Beginnings of messages that end with an argument. The argument is shown only where it is
    /// written in the expression.
    messages_about: &'static [&'static str],
    /// Finds mistakes in the arguments of a call, as far as they are written out.
    check: fn(&str, &[Option<String>]) -> Result<(), String>,
}

/// A function that jq lacks or defines in another way.
pub struct AddedFunction {
    /// Its name; with `($format)` where it takes an argument.
    pub name: &'static str,
    pub description: &'static str,
    pub example: &'static str,
    /// The output of the example, as JSON.
    pub gives: &'static str,
}

/// Messages of jq's functions for values that do not convert.
const MESSAGES: &[&str] = &[
    NO_DECIMAL,
    NO_DIVISOR,
    calendar::NO_TIME,
    math::NO_ORDER,
    regex::NO_REGEX,
    arrays::NO_ENTRY,
    arrays::NO_TIMES,
    streams::NO_EVENT,
    values::NO_CHARACTERS,
    values::NO_JSON_VALUE,
    text::NO_UTF8,
];

/// The part of an added function's message that may be shown. It holds no value of a record, except
/// for an argument that is not written in the expression, which is left out.
pub(crate) fn own_message(message: &str, is_written: &dyn Fn(&str) -> bool) -> Option<String> {
    if MESSAGES.contains(&message)
        || SUBJECTS
            .iter()
            .any(|subject| subject.messages.contains(&message))
    {
        return Some(message.to_owned());
    }
    let abouts = SUBJECTS.iter().flat_map(|subject| subject.messages_about);
    let (about, argument) = abouts
        .chain(&[calendar::NOT_IN, calendar::NO_FORMAT])
        .find_map(|about| Some((about, message.strip_prefix(about)?)))?;
    Some(format!(
        "{about}{}",
        if is_written(argument) {
            argument
        } else {
            "(text that is not written out)"
        }
    ))
}

/// Finds mistakes in the arguments of a call. Arguments that are not written out are none.
pub(crate) fn check(name: &str, arguments: &[Option<String>]) -> Result<(), String> {
    regex::check(name, arguments)?;
    SUBJECTS
        .iter()
        .try_for_each(|subject| (subject.check)(name, arguments))
}

fn no_check(_: &str, _: &[Option<String>]) -> Result<(), String> {
    Ok(())
}

/// The outputs that were collected, or why there are none.
fn each<'a>(outputs: ValX<'a, Vec<Value>, Value>) -> ValXs<'a, Value> {
    match outputs {
        Ok(outputs) => Box::new(outputs.into_iter().map(Ok)),
        Err(error) => box_once(Err(error)),
    }
}

/// The output of a function that enlarges a text, where it is within bounds.
fn within_bounds<'a>(cv: &Cv<'a, BoundedData>, output: ValR<Value>) -> ValX<'a, Value> {
    let output = output?;
    cv.0.data().or_halt(budget::fits(&output)).map(|()| output)
}

/// Borrows the text of a value that is text.
fn str_of(value: &Value) -> Result<&str, Error<Value>> {
    match value {
        Value::TStr(bytes) => std::str::from_utf8(bytes).map_err(|_| Error::str(text::NO_UTF8)),
        other => Err(Error::typ(other.clone(), "string")),
    }
}

/// The text of a value that is text.
fn string(value: &Value) -> Result<String, Error<Value>> {
    match value {
        Value::TStr(_) => crate::text(value).ok_or_else(|| Error::str(text::NO_UTF8)),
        other => Err(Error::typ(other.clone(), "string")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Expression, Variables, write};

    pub(super) fn gives(source: &str) -> Result<String, String> {
        let expression = Expression::compile(source).map_err(|error| error.message)?;
        let output = expression.one(Value::Null, &Variables::default());
        output
            .map(|output| write(&output).unwrap())
            .map_err(|error| error.message)
    }

    pub(super) fn refusal(source: &str) -> String {
        gives(source).expect_err(source)
    }

    #[test]
    fn every_example_gives_what_it_says() {
        for added in SUBJECTS.iter().flat_map(|subject| subject.functions) {
            assert_eq!(
                gives(added.example).as_deref(),
                Ok(added.gives),
                "{}",
                added.name
            );
        }
    }

    #[test]
    fn every_added_function_is_described_and_every_described_one_is_there() {
        let described = SUBJECTS.iter().flat_map(|subject| subject.functions);
        let mut described: Vec<(&str, usize)> =
            described.map(|added| signature(added.name)).collect();
        let mut there: Vec<_> = library::added()
            .map(|(name, arguments, _)| (name, arguments.len()))
            .collect();
        described.sort_unstable();
        there.sort_unstable();
        assert_eq!(described, there);
    }

    fn signature(name: &str) -> (&str, usize) {
        (name.split('(').next().unwrap(), name.matches('$').count())
    }

    #[test]
    fn what_replaces_a_function_of_jq_is_there_once() {
        let natives: Vec<_> = all()
            .map(|(name, arguments, _)| (name, arguments.len()))
            .collect();
        for native in &natives {
            assert_eq!(
                natives.iter().filter(|other| *other == native).count(),
                1,
                "{native:?}"
            );
        }
    }
}
