//! jq's functions of regexes.

mod flags;
mod pattern;

use std::{ops::Range, rc::Rc};

use jaq_core::{
    Bind, Cv, Error, ValX, ValXs,
    box_iter::box_once,
    native::{Fun, run, v},
};
use jaq_std::ValT as _;

use self::{
    flags::Flags,
    pattern::{Groups, Pattern},
};
use super::{Data, errors, str_of};
use crate::{
    Value,
    budget::{Bound, Evaluation, MAX_SIZE, MAX_TEXT},
};

/// What a group of a match counts for: it is an object of four fields, each with its name.
const STEPS_OF_A_GROUP: usize = 8;

/// How many bytes of a text are held against a place of a regex in the time of a step. In the worst case each byte
/// is held against each place, and nothing can interrupt that.
const BYTES_IN_A_STEP: usize = 128;

/// How much of a regex is compiled in the time of a step, in bytes.
const COMPILED_IN_A_STEP: usize = 64;

/// What is said of a regex or flags that are neither.
pub(super) const NO_REGEX: &str = "expected a regex, or an array of a regex and its flags";

pub(super) fn natives() -> Vec<Fun<Data>> {
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

/// Finds what is wrong with a regex and its flags that are written out.
pub(super) fn check(function: &str, arguments: &[Option<String>]) -> Result<(), String> {
    let flags = match (function, arguments.len()) {
        ("test" | "match" | "capture" | "scan" | "splits", 1) | ("sub" | "gsub", 2) => Some(""),
        ("test" | "match" | "capture" | "scan" | "split" | "splits", 2) => arguments[1].as_deref(),
        ("sub" | "gsub", 3) => arguments[2].as_deref(),
        _ => None,
    };
    let Some(flags) = flags.map(Flags::of).transpose()? else { return Ok(()) };
    match arguments.first() {
        Some(Some(regex)) => Pattern::compile(regex, flags.of_compilation()).map(drop),
        _ => Ok(()),
    }
}

/// A regex and its flags, as arguments of a call.
type Arguments<'a> = ValX<'a, (Value, Value), Value>;

fn alone<'a>(cv: &mut Cv<'a, Data>) -> Arguments<'a> {
    Ok((cv.0.pop_var(), Value::Null))
}

fn with_flags<'a>(cv: &mut Cv<'a, Data>) -> Arguments<'a> {
    let (flags, regex) = (cv.0.pop_var(), cv.0.pop_var());
    Ok((regex, flags))
}

/// Text, or an array of both.
fn either<'a>(cv: &mut Cv<'a, Data>) -> Arguments<'a> {
    let argument = cv.0.pop_var();
    match &argument {
        Value::TStr(_) => Ok((argument, Value::Null)),
        Value::Arr(both) if !both.is_empty() => {
            Ok((both[0].clone(), both.get(1).cloned().unwrap_or_default()))
        }
        _ => Err(Error::str(NO_REGEX).into()),
    }
}

fn each_of<'a>(
    mut cv: Cv<'a, Data>,
    arguments: fn(&mut Cv<'a, Data>) -> Arguments<'a>,
    outputs: fn(&Cv<'a, Data>, &Value, &Value) -> ValX<'a, Vec<Value>, Value>,
) -> ValXs<'a, Value> {
    let arguments = arguments(&mut cv);
    each(arguments.and_then(|(regex, flags)| outputs(&cv, &regex, &flags)))
}

fn each<'a>(outputs: ValX<'a, Vec<Value>, Value>) -> ValXs<'a, Value> {
    match outputs {
        Ok(outputs) => Box::new(outputs.into_iter().map(Ok)),
        Err(error) => box_once(Err(error)),
    }
}

/// Whether a text matches.
fn test<'a>(cv: &Cv<'a, Data>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = Search::of(cv, regex, flags)?;
    let is_in = search.evaluation.or_halt(search.pattern.is_in(search.text))?;
    search.evaluation.or_halt(search.evaluation.budget.look_at_time())?;
    Ok(vec![is_in.into()])
}

/// The matches, each with its groups, as objects.
fn matches<'a>(cv: &Cv<'a, Data>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = Search::of(cv, regex, flags)?;
    let (mut place, mut matches) = (Place::default(), Vec::new());
    search.each(|groups| {
        let mut objects = search.groups(&cv.1, groups, &mut place);
        let whole = objects.next().unwrap_or_default();
        let captures: Value =
            objects.map(|(group, name)| object(group.into_iter().chain([("name", name)]))).collect();
        matches.push(object(whole.0.into_iter().chain([("captures", captures)])));
        Ok(())
    })?;
    Ok(matches)
}

/// The texts of the matches' named groups, by their names.
fn captures<'a>(cv: &Cv<'a, Data>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = Search::of(cv, regex, flags)?;
    let mut captures = Vec::new();
    search.each(|groups| {
        captures.push(search.named(&cv.1, groups));
        Ok(())
    })?;
    Ok(captures)
}

/// The texts of all matches, or of their groups where the regex has groups.
fn scan<'a>(cv: &Cv<'a, Data>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = Search::of(cv, regex, flags)?.global();
    let mut found = Vec::new();
    search.each(|groups| {
        let mut texts = groups.iter().map(|group| search.part(&cv.1, group.clone()));
        let whole = texts.next().unwrap_or_default();
        found.push(if groups.len() == 1 { whole } else { texts.collect() });
        Ok(())
    })?;
    Ok(found)
}

fn split<'a>(cv: &Cv<'a, Data>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    parts(cv, regex, flags).map(|parts| vec![parts.into_iter().collect()])
}

/// The parts of a text between the matches.
fn parts<'a>(cv: &Cv<'a, Data>, regex: &Value, flags: &Value) -> ValX<'a, Vec<Value>, Value> {
    let search = Search::of(cv, regex, flags)?.global();
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

/// The text with its matches replaced. The replacement is given the named groups; where it has several outputs,
/// so has the whole, as in jq.
fn sub<'a>(mut cv: Cv<'a, Data>, has_flags: bool, global: bool) -> ValX<'a, Vec<Value>, Value> {
    let flags = if has_flags { cv.0.pop_var() } else { Value::Null };
    let (replacement, context) = cv.0.pop_fun();
    let regex = cv.0.pop_var();
    let mut search = Search::of(&cv, &regex, &flags)?;
    search.flags.global |= global;
    let mut texts = Texts::new(search.evaluation);
    let mut end = 0;
    search.each(|groups| {
        let whole = whole(groups);
        let gap = &search.text[end..whole.start];
        let named = search.named(&cv.1, groups);
        for (place, output) in replacement.run((context.clone(), named)).enumerate() {
            texts.append(place, gap, &output?)?;
        }
        end = whole.end;
        Ok(())
    })?;
    if texts.texts.is_empty() {
        return Ok(vec![cv.1.clone()]);
    }
    texts.finish(&search.text[end..])
}

/// The texts that replacements make.
struct Texts<'e> {
    evaluation: Evaluation<'e>,
    texts: Vec<String>,
    size: usize,
}

impl<'e> Texts<'e> {
    fn new(evaluation: Evaluation<'e>) -> Texts<'e> {
        Texts { evaluation, texts: Vec::new(), size: 0 }
    }

    /// Adds to the text at a place what comes before a match, and what comes instead of it.
    fn append<'a>(&mut self, place: usize, gap: &str, replacement: &Value) -> ValX<'a, (), Value> {
        self.evaluation.or_halt(self.evaluation.budget.take(1))?;
        if self.texts.len() == place {
            self.texts.push(String::new());
        }
        let replacement = match replacement {
            Value::Null => "",
            Value::TStr(_) => str_of(replacement)?,
            other => return Err(errors::of_two(&gap.to_owned().into(), other, "cannot be added").into()),
        };
        self.grow(place, gap)?;
        self.grow(place, replacement)
    }

    fn grow<'a>(&mut self, place: usize, part: &str) -> ValX<'a, (), Value> {
        self.size += part.len();
        let text = &mut self.texts[place];
        let bound = match (text.len() + part.len() > MAX_TEXT, self.size > MAX_SIZE) {
            (true, _) => Err(Bound::Text),
            (_, true) => Err(Bound::Size),
            _ => Ok(()),
        };
        self.evaluation.or_halt(bound)?;
        text.push_str(part);
        Ok(())
    }

    fn finish<'a>(mut self, rest: &str) -> ValX<'a, Vec<Value>, Value> {
        (0..self.texts.len()).try_for_each(|place| self.grow(place, rest))?;
        Ok(self.texts.into_iter().map(Value::from).collect())
    }
}

/// A search through a text.
struct Search<'e, 't> {
    evaluation: Evaluation<'e>,
    text: &'t str,
    pattern: Rc<Pattern>,
    flags: Flags,
}

impl<'e, 't> Search<'e, 't> {
    fn of<'a>(cv: &'t Cv<'e, Data>, regex: &Value, flags: &Value) -> ValX<'a, Search<'e, 't>, Value> {
        let evaluation = *cv.0.data();
        let Value::TStr(_) = &cv.1 else {
            return Err(errors::of(&cv.1, "cannot be matched, as it is not a string").into());
        };
        let text = str_of(&cv.1)?;
        let flags = match flags {
            Value::Null => "",
            flags => text_of(flags)?,
        };
        let flags = Flags::of(flags).map_err(Error::str)?;
        let pattern = compiled(evaluation, text_of(regex)?, flags.of_compilation())?;
        let search = Search { evaluation, text, pattern, flags };
        search.take_steps()?;
        Ok(search)
    }

    fn global(mut self) -> Search<'e, 't> {
        self.flags.global = true;
        self
    }

    /// Takes steps for a search through the text.
    fn take_steps<'a>(&self) -> ValX<'a, (), Value> {
        let budget = self.evaluation.budget;
        let steps = self.text.len().saturating_mul(self.pattern.places) / BYTES_IN_A_STEP;
        self.evaluation.or_halt(budget.take(steps).and_then(|()| budget.look_at_time()))
    }

    /// Shows the matches to a visitor: the first, or all of them.
    fn each<'a>(&self, mut visit: impl FnMut(&Groups) -> ValX<'a, (), Value>) -> ValX<'a, (), Value> {
        let (evaluation, mut from) = (self.evaluation, 0);
        while from <= self.text.len() {
            let Some(groups) = evaluation.or_halt(self.pattern.find(self.text, from))? else { break };
            // What was searched for this match may be searched for the next one as well.
            let steps = STEPS_OF_A_GROUP * groups.len();
            evaluation
                .or_halt(evaluation.budget.take(steps).and_then(|()| evaluation.budget.look_at_time()))?;
            visit(&groups)?;
            if !self.flags.global {
                break;
            }
            let whole = whole(&groups);
            from = if whole.is_empty() { self.after(whole.end) } else { whole.end.max(from) };
        }
        Ok(())
    }

    /// The byte after the character at a byte.
    fn after(&self, byte: usize) -> usize {
        byte + self.text[byte..].chars().next().map_or(1, char::len_utf8)
    }

    /// The groups of a match as the fields of objects, and their names.
    fn groups<'s>(
        &'s self,
        text: &'s Value,
        groups: &'s Groups,
        place: &'s mut Place,
    ) -> impl Iterator<Item = ([(&'static str, Value); 3], Value)> {
        groups.iter().zip(&self.pattern.names).map(move |(group, name)| {
            let (offset, length) = match group {
                Some(group) => (
                    place.move_to(self.text.as_bytes(), group.start) as isize,
                    characters(&self.text.as_bytes()[group.clone()]),
                ),
                None => (-1, 0),
            };
            let string = self.part(text, group.clone());
            let fields = [("offset", offset.into()), ("length", length.into()), ("string", string)];
            (fields, name.clone().map(Value::from).unwrap_or_default())
        })
    }

    fn named(&self, text: &Value, groups: &Groups) -> Value {
        let names = groups.iter().zip(&self.pattern.names);
        let named = names.filter_map(|(group, name)| Some((name.clone()?, self.part(text, group.clone()))));
        Value::obj(named.map(|(name, text)| (name.into(), text)).collect())
    }

    /// A part of the text, which it shares; null where a group took no part.
    fn part(&self, text: &Value, part: Option<Range<usize>>) -> Value {
        part.map(|part| text.as_sub_str(&self.text.as_bytes()[part])).unwrap_or_default()
    }
}

/// A regex or flags.
fn text_of(value: &Value) -> Result<&str, Error<Value>> {
    match value {
        Value::TStr(_) => str_of(value),
        other => Err(errors::of(other, "is not a string")),
    }
}

fn object(fields: impl Iterator<Item = (&'static str, Value)>) -> Value {
    Value::obj(fields.map(|(name, value)| (name.to_owned().into(), value)).collect())
}

fn whole(groups: &Groups) -> Range<usize> {
    groups.first().cloned().flatten().unwrap_or_default()
}

/// A regex that this thread has compiled before, or compiles now, which takes its steps.
fn compiled<'a>(evaluation: Evaluation<'_>, source: &str, flags: Flags) -> ValX<'a, Rc<Pattern>, Value> {
    if let Some(pattern) = Pattern::kept(source, flags) {
        return Ok(pattern);
    }
    let pattern = Pattern::compile_and_keep(source, flags).map_err(Error::str)?;
    let budget = evaluation.budget;
    evaluation
        .or_halt(budget.take(pattern.size / COMPILED_IN_A_STEP).and_then(|()| budget.look_at_time()))?;
    Ok(pattern)
}

/// A place in a text, in bytes and in characters.
#[derive(Default)]
struct Place {
    byte: usize,
    character: usize,
}

impl Place {
    /// The characters before a byte. Groups mostly come in the order of the text, but need not.
    fn move_to(&mut self, text: &[u8], byte: usize) -> usize {
        if byte < self.byte {
            *self = Place::default();
        }
        self.character += characters(&text[self.byte..byte]);
        self.byte = byte;
        self.character
    }
}

/// The characters in UTF-8: all bytes but those that continue one.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000).count()
}
