//! Searches a text for the matches of a regex, within bounds.

use std::{ops::Range, rc::Rc};

use jaq_core::{Cv, Error, ValX};
use jaq_std::ValT as _;

use super::{
    flags::RegexFlags,
    pattern::{CompiledRegex, MAX_REGEX_BYTES, MatchGroups},
};
use crate::{
    Value,
    budget::EvaluationContext,
    functions::{BoundedData, errors, str_of},
};

/// Steps for a group of a match: it is an object of four fields, each with its name.
const STEPS_OF_A_GROUP: usize = 8;

/// Number of bytes of a text that are compared with one place of a regex in the time of one step.
/// In the worst case each byte is compared with each place, and nothing can interrupt that.
const BYTES_IN_A_STEP: usize = 128;

/// Number of bytes of a regex that are compiled in the time of one step.
const COMPILED_IN_A_STEP: usize = 64;

/// A search through a text.
pub(super) struct RegexSearch<'e, 't> {
    pub(super) evaluation: EvaluationContext<'e>,
    pub(super) text: &'t str,
    pub(super) pattern: Rc<CompiledRegex>,
    pub(super) flags: RegexFlags,
}

impl<'e, 't> RegexSearch<'e, 't> {
    pub(super) fn of<'a>(
        cv: &'t Cv<'e, BoundedData>,
        regex: &Value,
        flags: &Value,
    ) -> ValX<'a, RegexSearch<'e, 't>, Value> {
        let evaluation = *cv.0.data();
        let Value::TStr(_) = &cv.1 else {
            return Err(errors::of(&cv.1, "cannot be matched, as it is not a string").into());
        };
        let text = str_of(&cv.1)?;
        let flags = match flags {
            Value::Null => "",
            flags => text_of(flags)?,
        };
        let flags = RegexFlags::of(flags).map_err(Error::str)?;
        let pattern = compiled(evaluation, text_of(regex)?, flags.of_compilation())?;
        let search = RegexSearch {
            evaluation,
            text,
            pattern,
            flags,
        };
        search.take_steps()?;
        Ok(search)
    }

    pub(super) fn global(mut self) -> RegexSearch<'e, 't> {
        self.flags.global = true;
        self
    }

    /// Takes steps for a search through the text.
    fn take_steps<'a>(&self) -> ValX<'a, (), Value> {
        let budget = self.evaluation.budget;
        let steps = self.text.len().saturating_mul(self.pattern.places) / BYTES_IN_A_STEP;
        self.evaluation
            .or_halt(budget.take(steps).and_then(|()| budget.look_at_time()))
    }

    /// Passes the matches to a visitor: the first, or all of them.
    pub(super) fn each<'a>(
        &self,
        mut visit: impl FnMut(&MatchGroups) -> ValX<'a, (), Value>,
    ) -> ValX<'a, (), Value> {
        let (evaluation, mut from) = (self.evaluation, 0);
        while from <= self.text.len() {
            let Some(groups) = evaluation.or_halt(self.pattern.find(self.text, from))? else {
                break;
            };
            // What was searched for this match may be searched for the next one as well.
            let steps = STEPS_OF_A_GROUP * groups.len();
            evaluation.or_halt(
                evaluation
                    .budget
                    .take(steps)
                    .and_then(|()| evaluation.budget.look_at_time()),
            )?;
            visit(&groups)?;
            if !self.flags.global {
                break;
            }
            let whole = whole(&groups);
            from = if whole.is_empty() {
                self.after(whole.end)
            } else {
                whole.end.max(from)
            };
        }
        Ok(())
    }

    /// The byte after the character at a byte.
    fn after(&self, byte: usize) -> usize {
        byte + self.text[byte..].chars().next().map_or(1, char::len_utf8)
    }

    /// The groups of a match as the fields of objects, and their names.
    pub(super) fn groups<'s>(
        &'s self,
        text: &'s Value,
        groups: &'s MatchGroups,
        place: &'s mut TextPlace,
    ) -> impl Iterator<Item = ([(&'static str, Value); 3], Value)> {
        groups
            .iter()
            .zip(&self.pattern.names)
            .map(move |(group, name)| {
                let (offset, length) = match group {
                    Some(group) => (
                        place.move_to(self.text.as_bytes(), group.start) as isize,
                        characters(&self.text.as_bytes()[group.clone()]),
                    ),
                    None => (-1, 0),
                };
                let string = self.part(text, group.clone());
                let fields = [
                    ("offset", offset.into()),
                    ("length", length.into()),
                    ("string", string),
                ];
                (fields, name.clone().map(Value::from).unwrap_or_default())
            })
    }

    pub(super) fn named(&self, text: &Value, groups: &MatchGroups) -> Value {
        let names = groups.iter().zip(&self.pattern.names);
        let named =
            names.filter_map(|(group, name)| Some((name.clone()?, self.part(text, group.clone()))));
        Value::obj(named.map(|(name, text)| (name.into(), text)).collect())
    }

    /// A part of the text, which it shares; null where a group took no part.
    pub(super) fn part(&self, text: &Value, part: Option<Range<usize>>) -> Value {
        part.map(|part| text.as_sub_str(&self.text.as_bytes()[part]))
            .unwrap_or_default()
    }
}

/// A regex or flags.
fn text_of(value: &Value) -> Result<&str, Error<Value>> {
    match value {
        Value::TStr(_) => str_of(value),
        other => Err(errors::of(other, "is not a string")),
    }
}

pub(super) fn whole(groups: &MatchGroups) -> Range<usize> {
    groups.first().cloned().flatten().unwrap_or_default()
}

/// A regex that this thread has compiled before, or compiles now, which takes steps.
fn compiled<'a>(
    evaluation: EvaluationContext<'_>,
    source: &str,
    flags: RegexFlags,
) -> ValX<'a, Rc<CompiledRegex>, Value> {
    if let Some(pattern) = CompiledRegex::kept(source, flags) {
        return Ok(pattern);
    }
    let budget = evaluation.budget;
    evaluation.or_halt(
        budget
            .take(source.len().min(MAX_REGEX_BYTES))
            .and_then(|()| budget.look_at_time()),
    )?;
    let pattern = CompiledRegex::compile_and_keep(source, flags).map_err(Error::str)?;
    evaluation.or_halt(
        budget
            .take(pattern.size / COMPILED_IN_A_STEP)
            .and_then(|()| budget.look_at_time()),
    )?;
    Ok(pattern)
}

/// A place in a text, in bytes and in characters.
#[derive(Default)]
pub(super) struct TextPlace {
    byte: usize,
    character: usize,
}

impl TextPlace {
    /// Moves to a byte and counts the characters before it. Groups mostly come in the order of the
    /// text, but need not.
    fn move_to(&mut self, text: &[u8], byte: usize) -> usize {
        if byte < self.byte {
            *self = TextPlace::default();
        }
        self.character += characters(&text[self.byte..byte]);
        self.byte = byte;
        self.character
    }
}

/// Counts the characters in UTF-8: all bytes but those that continue one.
fn characters(text: &[u8]) -> usize {
    text.iter()
        .filter(|&&byte| byte & 0b1100_0000 != 0b1000_0000)
        .count()
}
