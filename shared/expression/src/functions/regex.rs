//! jq's regexes, compiled once.
//!
//! jaq-std compiles a regex at every call, which takes many times longer than to match it. This is its
//! way of matching, by the same engine, with what was compiled kept.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use jaq_core::{
    Cv, Error, ValR, ValT as _, ValX,
    box_iter::box_once,
    native::{Fun, bome, run, v},
};
use jaq_std::ValT as _;
use regex_bites::bytes::{Captures, Regex, RegexBuilder};

use super::{Data, string};
use crate::{Value, budget::Evaluation};

/// How many regexes a thread keeps for the same flags. A mapping has a few; more come from records, and are let go.
const KEPT: usize = 256;

/// What a group of a match counts for: it is an object of four fields, each with its name.
const STEPS_OF_A_GROUP: usize = 8;

/// How large a compiled regex may be, in bytes. Sizes are told apart from the smallest on, each twice the
/// one before.
const SMALLEST: usize = 512;
const LARGEST: usize = SMALLEST << 14;

/// How much is searched in the time of a step: the bytes of a text, times the bytes of the regex. In the worst case
/// each byte is held against each part of the regex, and nothing can interrupt that.
const SEARCHED_IN_A_STEP: usize = 4096;

thread_local! {
    static COMPILED: RefCell<HashMap<Flags, HashMap<String, Rc<Compiled>>>> = RefCell::default();
}

/// A regex, and how large it is at most.
struct Compiled {
    regex: Regex,
    size: usize,
}

/// `test`, and what jq's definitions of `match`, `capture`, `scan`, `split`, `sub` and the like stand on.
pub(super) fn natives() -> [Fun<Data>; 6] {
    [
        run(("test", v(1), |cv| box_once(test(cv, |_| Ok(String::new()))))),
        run(("test", v(2), |cv| box_once(test(cv, |cv| string(&cv.0.pop_var()))))),
        run(("matches", v(2), |cv| box_once(apply(cv, false, true)))),
        run(("split_matches", v(2), |cv| box_once(apply(cv, true, true)))),
        run(("split_", v(2), |cv| box_once(apply(cv, true, false)))),
        run(("capture_of_match", v(0), |cv| bome(named(cv.1)))),
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
    match (arguments.first(), flags) {
        (Some(Some(regex)), Some(flags)) => Flags::of(flags).and_then(|flags| flags.compile(regex)).map(drop),
        _ => Ok(()),
    }
}

/// Whether a text matches.
fn test<'a>(
    mut cv: Cv<'a, Data>,
    flags: impl Fn(&mut Cv<'a, Data>) -> Result<String, Error<Value>>,
) -> ValX<'a, Value> {
    let (flags, pattern) = (flags(&mut cv)?, string(&cv.0.pop_var())?);
    let (evaluation, text) = (*cv.0.data(), cv.1);
    let flags = Flags::of(&flags).map_err(Error::str)?;
    let compiled = compiled(&pattern, flags).map_err(Error::str)?;
    let (regex, bytes) = (&compiled.regex, text.try_as_utf8_bytes()?);
    compiled.take_steps(evaluation, bytes)?;
    let matches = match flags.ignore_empty {
        false => regex.is_match(bytes),
        // Without the flag for all matches, jq looks at the first that is not empty.
        true => regex.find_iter(bytes).any(|found| !found.is_empty()),
    };
    Ok(matches.into())
}

/// The parts of a text: those that match, each with its groups, and those between them.
fn apply<'a>(mut cv: Cv<'a, Data>, others: bool, matches: bool) -> ValX<'a, Value> {
    let (flags, pattern) = (string(&cv.0.pop_var())?, string(&cv.0.pop_var())?);
    let (evaluation, text) = (*cv.0.data(), cv.1);
    let flags = Flags::of(&flags).map_err(Error::str)?;
    let compiled = compiled(&pattern, flags).map_err(Error::str)?;
    let (regex, bytes) = (&compiled.regex, text.try_as_utf8_bytes()?);
    compiled.take_steps(evaluation, bytes)?;
    let (mut parts, mut end, mut place) = (Vec::new(), 0, Place::default());
    for captures in regex.captures_iter(bytes) {
        let Some(whole) = captures.get(0) else { continue };
        if flags.ignore_empty && whole.is_empty() {
            continue;
        }
        if others {
            parts.push(text.as_sub_str(&bytes[end..whole.start()]));
            end = whole.end();
        }
        if matches {
            evaluation.or_halt(evaluation.budget.take(STEPS_OF_A_GROUP * captures.len()))?;
            parts.push(groups(&text, regex, &captures, &mut place)?);
        }
        // What was searched for this match may be searched for the next one as well.
        evaluation.or_halt(evaluation.budget.take(1).and_then(|()| evaluation.budget.look_at_time()))?;
        if !flags.global {
            break;
        }
    }
    if others {
        parts.push(text.as_sub_str(&bytes[end..]));
    }
    Ok(parts.into_iter().collect())
}

/// The match and its groups, as objects; groups that took no part are left out.
fn groups(text: &Value, regex: &Regex, captures: &Captures<'_>, place: &mut Place) -> ValR<Value> {
    let groups = captures.iter().zip(regex.capture_names());
    let groups = groups.filter_map(|(group, name)| group.map(|group| (group, name)));
    groups
        .map(|(group, name)| {
            let bytes = text.try_as_utf8_bytes()?;
            let fields = [
                ("offset", Value::from(place.move_to(bytes, group.start()))),
                ("length", Value::from(characters(group.as_bytes()))),
                ("string", text.as_sub_str(group.as_bytes())),
            ];
            let name = name.map(|name| ("name", name.to_owned().into()));
            Value::from_map(fields.into_iter().chain(name).map(|(key, value)| (key.to_owned().into(), value)))
        })
        .collect()
}

/// The texts of a match's named groups, by their names.
fn named(groups: Value) -> ValR<Value> {
    let field = |group: Value, name: &str| group.index(&name.to_owned().into());
    let mut named = Vec::new();
    for group in groups.values() {
        let group = group?;
        match field(group.clone(), "name")? {
            Value::Null => {}
            name => named.push((name, field(group, "string")?)),
        }
    }
    Value::from_map(named)
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

/// jq's flags of a regex, as jaq has them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
struct Flags {
    global: bool,
    ignore_empty: bool,
    case_insensitive: bool,
    multi_line: bool,
    dot_matches_new_line: bool,
    swap_greed: bool,
    ignore_whitespace: bool,
}

impl Flags {
    fn of(letters: &str) -> Result<Flags, String> {
        let mut flags = Flags::default();
        for letter in letters.chars() {
            match letter {
                'g' => flags.global = true,
                'n' => flags.ignore_empty = true,
                'i' => flags.case_insensitive = true,
                'm' => flags.multi_line = true,
                's' => flags.dot_matches_new_line = true,
                'l' => flags.swap_greed = true,
                'x' => flags.ignore_whitespace = true,
                'p' => (flags.multi_line, flags.dot_matches_new_line) = (true, true),
                other => return Err(format!("invalid regex flag: {other}")),
            }
        }
        Ok(flags)
    }

    fn compile(self, pattern: &str) -> Result<Compiled, String> {
        // It is larger than what it is written as.
        let mut size = pattern.len().next_power_of_two().clamp(SMALLEST, LARGEST);
        loop {
            match self.compile_within(size, pattern) {
                Ok(regex) => return Ok(Compiled { regex, size }),
                Err(_) if size < LARGEST => size *= 2,
                Err(error) => return Err(format!("invalid regex: {error}")),
            }
        }
    }

    fn compile_within(self, size: usize, pattern: &str) -> Result<Regex, regex_bites::Error> {
        RegexBuilder::new(pattern)
            .case_insensitive(self.case_insensitive)
            .multi_line(self.multi_line)
            .dot_matches_new_line(self.dot_matches_new_line)
            .swap_greed(self.swap_greed)
            .ignore_whitespace(self.ignore_whitespace)
            .size_limit(size)
            .build()
    }
}

impl Compiled {
    /// Takes steps for a search through a text.
    fn take_steps<'a>(&self, evaluation: Evaluation<'_>, text: &[u8]) -> ValX<'a, (), Value> {
        let steps = text.len().saturating_mul(self.size) / SEARCHED_IN_A_STEP;
        evaluation.or_halt(evaluation.budget.take(steps).and_then(|()| evaluation.budget.look_at_time()))
    }
}

/// A regex that this thread has compiled before, or compiles now.
fn compiled(pattern: &str, flags: Flags) -> Result<Rc<Compiled>, String> {
    COMPILED.with_borrow_mut(|compiled| {
        let compiled = compiled.entry(flags).or_default();
        if let Some(regex) = compiled.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = Rc::new(flags.compile(pattern)?);
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn regexes_are_compiled_once_and_not_kept_without_bound() {
        let first = compiled("a+", Flags::default()).unwrap();
        assert!(Rc::ptr_eq(&first, &compiled("a+", Flags::default()).unwrap()));
        let case = Flags { case_insensitive: true, ..Flags::default() };
        assert!(!Rc::ptr_eq(&first, &compiled("a+", case).unwrap()));
        for number in 0..3 * KEPT {
            compiled(&format!("a{number}"), Flags::default()).unwrap();
        }
        let kept = COMPILED.with_borrow(|compiled| compiled[&Flags::default()].len());
        assert!((1..=KEPT).contains(&kept), "{kept}");
        assert!(compiled("(", Flags::default()).is_err());
    }
}
