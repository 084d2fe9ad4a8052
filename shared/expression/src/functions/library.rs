//! All functions that expressions can call: those of jq's standard library that are kept, those
//! that replace others, and those that are added.

use std::sync::LazyLock;

use jaq_core::{
    load::{Arena, parse::Def},
    native::Fun,
};

use super::{
    SUBJECTS, arrays, calendar, math, number, paths, regex, rows, standard, streams, strings,
    values,
};
use crate::{
    arithmetic, bounds,
    budget::{self, BoundedData},
    error_trail, forms,
};

/// Functions of jq's standard library that are left out: they read the environment, the clock or
/// the time zone of the machine, or other input, or they write, or end the process.
const LEFT_OUT: &[&str] = &[
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

/// Functions of jq's standard library that are replaced here by others: as jq's documentation has
/// them, strict, exact, or compiled once.
const REPLACED: &[&str] = &[
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

/// Every native function of the language.
pub(crate) fn all() -> impl Iterator<Item = Fun<BoundedData>> {
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

/// True of a function that expressions may call, and false of one that only other functions call.
pub(super) fn is_public(name: &str) -> bool {
    !name.ends_with('!') && name.starts_with(|c: char| c.is_alphabetic() || c == '@')
}

fn is_kept(name: &str) -> bool {
    let replaced = [REPLACED, math::NAMES, paths::REPLACED];
    !LEFT_OUT.contains(&name) && !replaced.iter().any(|names| names.contains(&name))
}

/// The name of a function of jaq's that a check stands in front of.
fn renamed(name: &'static str) -> &'static str {
    bounds::renamed(paths::renamed(name))
}

pub(super) fn added() -> impl Iterator<Item = Fun<BoundedData>> {
    SUBJECTS.iter().flat_map(|subject| (subject.natives)())
}

/// The functions that replace some of jq's, or have names that nobody can write: they need no
/// description.
fn replacing() -> impl Iterator<Item = Fun<BoundedData>> {
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
        .chain(error_trail::natives())
}

/// Makes the sums among jq's definitions exact: no other definition calculates with values of a
/// record.
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
