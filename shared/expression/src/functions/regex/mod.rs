//! jq's functions of regexes.

mod flags;
mod pattern;
mod replace;
mod search;
mod syntax;

use jaq_core::{
    Bind, Cv, Error, ValX, ValXs,
    native::{Fun, run, v},
};

use self::{
    flags::RegexFlags,
    pattern::CompiledRegex,
    replace::sub,
    search::{RegexSearch, TextPlace, whole},
};
use super::{BoundedData, each};
use crate::Value;

/// The message of arguments that are no regex and flags.
pub(super) const NO_REGEX: &str = "expected a regex, or an array of a regex and its flags";

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    let both = || [Bind::Var(()), Bind::Fun(())].into();
    let all = || [Bind::Var(()), Bind::Fun(()), Bind::Var(())].into();
    vec![
        run(("test", v(1), |cv| each_of(cv, either, test))),
        run(("test", v(2), |cv| each_of(cv, with_flags, test))),
        run(("match", v(1), |cv| each_of(cv, either, matches))),
        run(("match", v(2), |cv| each_of(cv, with_flags, matches))),
        run(("capture", v(1), |cv| each_of(cv, either, captures))),
        run(("capture", v(2), |cv| each_of(cv, with_flags, captures))),
        run(("scan", v(1), |cv| each_of(cv, alone, scan))),
        run(("scan", v(2), |cv| each_of(cv, with_flags, scan))),
        run(("splits", v(1), |cv| each_of(cv, alone, parts))),
        run(("splits", v(2), |cv| each_of(cv, with_flags, parts))),
        run(("split", v(2), |cv| each_of(cv, with_flags, split))),
        run(("sub", both(), |cv| each(sub(cv, false, false)))),
        run(("sub", all(), |cv| each(sub(cv, true, false)))),
        run(("gsub", both(), |cv| each(sub(cv, false, true)))),
        run(("gsub", all(), |cv| each(sub(cv, true, true)))),
    ]
}

/// Finds mistakes in a regex and its flags that are written out.
pub(super) fn check(function: &str, arguments: &[Option<String>]) -> Result<(), String> {
    let flags = match (function, arguments.len()) {
        ("test" | "match" | "capture" | "scan" | "splits", 1) | ("sub" | "gsub", 2) => Some(""),
        ("test" | "match" | "capture" | "scan" | "split" | "splits", 2) => arguments[1].as_deref(),
        ("sub" | "gsub", 3) => arguments[2].as_deref(),
        _ => None,
    };
    let Some(flags) = flags.map(RegexFlags::of).transpose()? else {
        return Ok(());
    };
    match arguments.first() {
        Some(Some(regex)) => CompiledRegex::compile(regex, flags.of_compilation()).map(drop),
        _ => Ok(()),
    }
}

/// A regex and its flags, as arguments of a call.
type RegexArguments<'a> = ValX<'a, (Value, Value), Value>;

fn alone<'a>(cv: &mut Cv<'a, BoundedData>) -> RegexArguments<'a> {
    Ok((cv.0.pop_var(), Value::Null))
}

fn with_flags<'a>(cv: &mut Cv<'a, BoundedData>) -> RegexArguments<'a> {
    let (flags, regex) = (cv.0.pop_var(), cv.0.pop_var());
    Ok((regex, flags))
}

/// Arguments that are text, or an array of a regex and its flags.
fn either<'a>(cv: &mut Cv<'a, BoundedData>) -> RegexArguments<'a> {
    let argument = cv.0.pop_var();
    match &argument {
        Value::TStr(_) => Ok((argument, Value::Null)),
        Value::Arr(both) if !both.is_empty() => {
            Ok((both[0].clone(), both.get(1).cloned().unwrap_or_default()))
        }
        _ => Err(Error::str(NO_REGEX).into()),
    }
}

/// The outputs of a function of a text, a regex and its flags.
type RegexOutputs<'a> = fn(&Cv<'a, BoundedData>, &Value, &Value) -> ValX<'a, Vec<Value>, Value>;

fn each_of<'a>(
    mut cv: Cv<'a, BoundedData>,
    arguments: fn(&mut Cv<'a, BoundedData>) -> RegexArguments<'a>,
    outputs: RegexOutputs<'a>,
) -> ValXs<'a, Value> {
    let arguments = arguments(&mut cv);
    each(arguments.and_then(|(regex, flags)| outputs(&cv, &regex, &flags)))
}

/// Tells if a text matches.
fn test<'a>(cv: &Cv<'a, BoundedData>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = RegexSearch::of(cv, regex, flags)?;
    let is_in = search
        .evaluation
        .or_halt(search.pattern.is_in(search.text))?;
    search
        .evaluation
        .or_halt(search.evaluation.budget.look_at_time())?;
    Ok(vec![is_in.into()])
}

/// The matches, each with its groups, as objects.
fn matches<'a>(
    cv: &Cv<'a, BoundedData>,
    regex: &Value,
    flags: &Value,
) -> ValX<'a, Vec<Value>, Value> {
    let search = RegexSearch::of(cv, regex, flags)?;
    let (mut place, mut matches) = (TextPlace::default(), Vec::new());
    search.each(|groups| {
        let mut objects = search.groups(&cv.1, groups, &mut place);
        let whole = objects.next().unwrap_or_default();
        let captures: Value = objects
            .map(|(group, name)| object(group.into_iter().chain([("name", name)])))
            .collect();
        matches.push(object(whole.0.into_iter().chain([("captures", captures)])));
        Ok(())
    })?;
    Ok(matches)
}

/// The texts of the matches' named groups, by their names.
fn captures<'a>(
    cv: &Cv<'a, BoundedData>,
    regex: &Value,
    flags: &Value,
) -> ValX<'a, Vec<Value>, Value> {
    let search = RegexSearch::of(cv, regex, flags)?;
    let mut captures = Vec::new();
    search.each(|groups| {
        captures.push(search.named(&cv.1, groups));
        Ok(())
    })?;
    Ok(captures)
}

/// The texts of all matches, or of their groups where the regex has groups.
fn scan<'a>(cv: &Cv<'a, BoundedData>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = RegexSearch::of(cv, regex, flags)?.global();
    let mut found = Vec::new();
    search.each(|groups| {
        let mut texts = groups.iter().map(|group| search.part(&cv.1, group.clone()));
        let whole = texts.next().unwrap_or_default();
        found.push(if groups.len() == 1 {
            whole
        } else {
            texts.collect()
        });
        Ok(())
    })?;
    Ok(found)
}

fn split<'a>(
    cv: &Cv<'a, BoundedData>,
    regex: &Value,
    flags: &Value,
) -> ValX<'a, Vec<Value>, Value> {
    parts(cv, regex, flags).map(|parts| vec![parts.into_iter().collect()])
}

/// The parts of a text between the matches.
fn parts<'a>(
    cv: &Cv<'a, BoundedData>,
    regex: &Value,
    flags: &Value,
) -> ValX<'a, Vec<Value>, Value> {
    let search = RegexSearch::of(cv, regex, flags)?.global();
    let (mut parts, mut end) = (Vec::new(), 0);
    search.each(|groups| {
        let whole = whole(groups);
        parts.push(search.part(&cv.1, Some(end..whole.start)));
        end = whole.end;
        Ok(())
    })?;
    parts.push(search.part(&cv.1, Some(end..search.text.len())));
    Ok(parts)
}

fn object(fields: impl Iterator<Item = (&'static str, Value)>) -> Value {
    Value::obj(
        fields
            .map(|(name, value)| (name.to_owned().into(), value))
            .collect(),
    )
}
