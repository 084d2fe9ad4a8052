//! What the language has beside jq, and what it lacks.
//!
//! It lacks whatever reaches outside the record: a mapping is a pure function. It has conversions
//! that business records need and that jq lacks or does loosely; see [`SUBJECTS`].

mod arrays;
mod calendar;
mod code;
mod differences;
mod digest;
mod document;
pub(crate) mod errors;
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

use std::sync::LazyLock;

use jaq_core::{
    Cv, Error, ValR, ValX, ValXs,
    box_iter::box_once,
    load::{Arena, parse::Def},
    native::Fun,
};

use crate::{
    Value,
    arithmetic::{self, NO_DIVISOR},
    bounds,
    budget::{self, Data},
    decimal::NO_DECIMAL,
    forms, trail,
};

pub use differences::{DIFFERENCES, JqDifference, MORE, NOT_HERE};
pub use document::document;

/// The functions that jq does not have, or has otherwise, by what they are about. Each converts, or
/// is an error.
pub const SUBJECTS: [Subject; 5] = [
    text::SUBJECT,
    number::SUBJECT,
    time::SUBJECT,
    code::SUBJECT,
    digest::SUBJECT,
];

/// Added functions that are about the same.
pub struct Subject {
    /// What they are about.
    pub title: &'static str,
    /// The functions.
    pub functions: &'static [Added],
    natives: fn() -> Vec<Fun<Data>>,
    /// What they say when they do not convert. These texts hold nothing of a record, so they may be shown.
    messages: &'static [&'static str],
    /// The same, before an argument; that has to be written in the expression.
    messages_about: &'static [&'static str],
    /// Finds what is wrong with the arguments of a call, as far as they are written out.
    check: fn(&str, &[Option<String>]) -> Result<(), String>,
}

/// A function that jq does not have, or has otherwise.
pub struct Added {
    /// Its name; with `($format)` where it takes an argument.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// An expression that uses it.
    pub example: &'static str,
    /// What the expression gives.
    pub gives: &'static str,
}

/// Native functions and definitions of jq's standard library that are left out: they read the
/// environment, the clock or the zone of the machine, other input, or write, or end the process.
const LEFT_OUT: [&str; 13] = [
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "halt",
    "halt_error",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "input",
    "inputs",
    "input_line_number",
];

/// Those that are here in another way: as jq's documentation has them, strict, exact, or compiled once.
const REPLACED: [&str; 67] = [
    "tonumber",
    "toboolean",
    "reverse",
    "bsearch",
    "utf8bytelength",
    "startswith",
    "endswith",
    "ltrimstr",
    "rtrimstr",
    "trim",
    "ltrim",
    "rtrim",
    "fromjson",
    "tojson",
    "tostring",
    "@text",
    "type",
    "length",
    "has",
    "in",
    "inside",
    "contains",
    "indices",
    "index",
    "rindex",
    "isnormal",
    "abs",
    "walk",
    "transpose",
    "implode",
    "floor",
    "round",
    "ceil",
    "trunc",
    "rint",
    "nearbyint",
    "join",
    "@sh",
    "escape_sh",
    "@urid",
    "decode_uri",
    "@base64d",
    "decode_base64",
    "to_entries",
    "from_entries",
    "with_entries",
    "flatten",
    "combinations",
    "test",
    "match",
    "matches",
    "capture",
    "capture_of_match",
    "scan",
    "scan_",
    "split",
    "split_",
    "splits",
    "split_matches",
    "sub",
    "gsub",
    "gmtime",
    "mktime",
    "strftime",
    "strptime",
    "todate",
    "todateiso8601",
];

/// What functions of jq's say when they do not convert.
const MESSAGES: [&str; 11] = [
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

/// What is shown of a message that an added function raises: those hold nothing of a record, unless it be an
/// argument that is not written in the expression, which is left out.
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

/// Finds what is wrong with the arguments of a call; those that are not written out are nothing.
pub(crate) fn check(name: &str, arguments: &[Option<String>]) -> Result<(), String> {
    regex::check(name, arguments)?;
    SUBJECTS
        .iter()
        .try_for_each(|subject| (subject.check)(name, arguments))
}

/// Every native function of the language.
pub(crate) fn all() -> impl Iterator<Item = Fun<Data>> {
    let standard = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let standard = standard.filter(|(name, _, _)| is_kept(name));
    let standard = standard.map(|(name, arguments, native)| (renamed(name), arguments, native));
    standard.chain(added()).chain(replacing())
}

/// Every function of the language that is defined in jq; they are parsed once.
pub(crate) fn definitions<'s>() -> impl Iterator<Item = Def<&'s str>> {
    static DEFINITIONS: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(all_definitions);
    let definitions: &[Def<&'s str>] = &DEFINITIONS;
    definitions.iter().cloned()
}

fn all_definitions() -> Vec<Def<&'static str>> {
    // They are made once, and stay.
    let arena: &'static Arena = Box::leak(Box::default());
    let standard = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let standard = standard.filter(|definition| is_kept(definition.name));
    let standard = standard.map(|mut definition| {
        forms::replace_in_library(arena, &mut definition.body);
        exact(definition)
    });
    let before = bounds::definitions().chain(paths::definitions());
    let after = standard::definitions(arena).chain(paths::later_definitions());
    before.chain(standard).chain(after).map(bounded).collect()
}

/// The names of all functions, for those who write expressions.
pub fn names() -> impl Iterator<Item = &'static str> {
    let names = all()
        .map(|(name, _, _)| name)
        .chain(definitions().map(|definition| definition.name));
    names.filter(|name| is_public(name))
}

/// Whether a function is there for those who write expressions, and not for other functions alone.
fn is_public(name: &str) -> bool {
    !name.ends_with('!') && name.starts_with(|c: char| c.is_alphabetic() || c == '@')
}

fn is_kept(name: &str) -> bool {
    let replaced = [&REPLACED[..], &math::NAMES, &paths::REPLACED];
    !LEFT_OUT.contains(&name) && !replaced.iter().any(|names| names.contains(&name))
}

/// The name of a function of jaq's that is behind a check.
fn renamed(name: &'static str) -> &'static str {
    bounds::renamed(paths::renamed(name))
}

fn added() -> impl Iterator<Item = Fun<Data>> {
    SUBJECTS.iter().flat_map(|subject| (subject.natives)())
}

/// What goes by names that jq has, or by none: nothing to describe.
fn replacing() -> impl Iterator<Item = Fun<Data>> {
    number::rounding()
        .into_iter()
        .chain(math::natives())
        .chain(values::natives())
        .chain(strings::natives())
        .chain(arrays::natives())
        .chain(streams::natives())
        .chain(rows::natives())
        .chain(regex::natives())
        .chain(calendar::natives())
        .chain(arithmetic::natives())
        .chain(budget::natives())
        .chain(paths::natives())
        .chain(trail::natives())
}

/// Of jq's definitions, only the sums calculate with what is in a record.
fn exact(mut definition: Def<&'static str>) -> Def<&'static str> {
    if definition.name == "add" {
        arithmetic::make_exact(&mut definition.body);
    }
    definition
}

fn bounded(mut definition: Def<&'static str>) -> Def<&'static str> {
    bounds::bound_definition(&mut definition);
    definition
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

/// The output of a function that makes more of a text than it is given, if it is within bounds.
fn within_bounds<'a>(cv: &Cv<'a, Data>, output: ValR<Value>) -> ValX<'a, Value> {
    let output = output?;
    cv.0.data().or_halt(budget::fits(&output)).map(|()| output)
}

/// The text that a value is, where it stands.
fn str_of(value: &Value) -> Result<&str, Error<Value>> {
    match value {
        Value::TStr(bytes) => std::str::from_utf8(bytes).map_err(|_| Error::str(text::NO_UTF8)),
        other => Err(Error::typ(other.clone(), "string")),
    }
}

/// The text that a value is.
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
        let mut there: Vec<_> = added()
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
