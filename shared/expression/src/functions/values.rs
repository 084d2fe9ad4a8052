//! jq's functions of any value.

use std::sync::LazyLock;

use bigdecimal::num_bigint::BigInt;
use jaq_core::{
    Cv, Error, ValR, ValX,
    box_iter::box_once,
    native::{Fun, bome, run, v},
};
use jaq_json::Num;
use jaq_std::ValT as _;
use memchr::memmem::Finder;

use super::{
    BoundedData, all, definitions, errors, library::is_public, paths::kind, str_of, within_bounds,
};
use crate::{
    Value,
    budget::{EvaluationBound, EvaluationBudget, EvaluationContext},
    write,
};

/// The message of numbers that are no characters.
pub(super) const NO_CHARACTERS: &str = "expected an array of numbers of Unicode characters";
/// The message of a value that JSON cannot express.
pub(super) const NO_JSON_VALUE: &str = "expected a value that JSON can express";

/// Number of pairs of items that are compared in the time of one step.
const PAIRS_IN_A_STEP: usize = 8;

/// Number of bytes that are compared in the time of one step.
const BYTES_IN_A_STEP: usize = 64;

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("type", v(0), |cv| bome(Ok(kind(&cv.1).to_owned().into())))),
        run(("isnormal", v(0), |cv| {
            bome(Ok(cv.1.as_f64().is_some_and(f64::is_normal).into()))
        })),
        run(("toboolean", v(0), |cv| bome(to_boolean(cv.1)))),
        run(("length", v(0), |cv| bome(length(cv.1)))),
        run(("has", v(1), |mut cv| bome(has(&cv.1, &cv.0.pop_var())))),
        run(("implode", v(0), |cv| {
            box_once(within_bounds(&cv, implode(&cv.1)))
        })),
        run(("tojson", v(0), |cv| box_once(to_json(&cv)))),
        run(("tostring", v(0), |cv| match cv.1 {
            Value::TStr(_) => bome(Ok(cv.1)),
            _ => box_once(to_json(&cv)),
        })),
        run(("reverse", v(0), |cv| bome(reversed(cv.1)))),
        run(("unchecked_bsearch!", v(1), |mut cv| {
            bome(searched(&cv.1, &cv.0.pop_var()))
        })),
        run(("unchecked_indices!", v(1), |mut cv| {
            let part = cv.0.pop_var();
            box_once(indices(&cv, &part))
        })),
        run(("unchecked_contains!", v(1), |mut cv| {
            let part = cv.0.pop_var();
            box_once(contains(&cv, &part))
        })),
        run(("builtins", v(0), |_| bome(Ok(builtins())))),
    ]
}

fn to_boolean(value: Value) -> ValR<Value> {
    match &value {
        Value::Bool(_) => Ok(value),
        Value::TStr(text) if ***text == *b"true" => Ok(true.into()),
        Value::TStr(text) if ***text == *b"false" => Ok(false.into()),
        _ => Err(errors::of(&value, "cannot be parsed as a boolean")),
    }
}

/// The length of a value; of a number its absolute value, digit for digit.
fn length(value: Value) -> ValR<Value> {
    Ok(match &value {
        Value::Null => 0_usize.into(),
        Value::Num(Num::Int(number)) => match number.checked_abs() {
            Some(number) => number.into(),
            None => Value::Num(Num::big_int(-BigInt::from(*number as i64))),
        },
        Value::Num(Num::BigInt(number)) => {
            Value::Num(Num::big_int(number.magnitude().clone().into()))
        }
        Value::Num(Num::Float(number)) => number.abs().into(),
        Value::Num(Num::Dec(digits)) => match digits.strip_prefix('-') {
            Some(digits) => Value::Num(Num::Dec(digits.to_owned().into())),
            None => value,
        },
        Value::TStr(_) => str_of(&value)?.chars().count().into(),
        Value::BStr(bytes) => bytes.len().into(),
        Value::Arr(items) => items.len().into(),
        Value::Obj(fields) => fields.len().into(),
        Value::Bool(_) => return Err(errors::of(&value, "has no length")),
    })
}

fn has(value: &Value, key: &Value) -> ValR<Value> {
    match (value, key) {
        (Value::Obj(fields), Value::TStr(_)) => Ok(fields.contains_key(key).into()),
        (Value::Arr(items), Value::Num(_)) => {
            let place = key.as_f64().unwrap_or(f64::NAN);
            Ok((place > -1.0 && place.trunc() < items.len() as f64).into())
        }
        (Value::Null, _) => Ok(false.into()),
        _ => Err(Error::index(value.clone(), key.clone())),
    }
}

fn reversed(value: Value) -> ValR<Value> {
    match value {
        Value::Null => Ok(Value::from_iter([])),
        Value::Arr(items) => Ok(items.iter().rev().cloned().collect()),
        other => Err(Error::typ(other, "array")),
    }
}

/// The place of an item in a sorted array; a negative number tells the place where it would be.
fn searched(value: &Value, item: &Value) -> ValR<Value> {
    match value {
        Value::Arr(items) => Ok(items
            .binary_search(item)
            .map_or_else(|place| -1 - place as isize, |place| place as isize)
            .into()),
        other => Err(errors::of(other, "cannot be searched from")),
    }
}

fn implode(value: &Value) -> ValR<Value> {
    let Value::Arr(numbers) = value else {
        return Err(Error::str("implode input must be an array"));
    };
    if let Some(other) = numbers
        .iter()
        .find(|number| !matches!(number, Value::Num(_)))
    {
        return Err(errors::of(
            other,
            "can't be imploded, unicode codepoint needs to be numeric",
        ));
    }
    let character = |number: &Value| char::from_u32(number.as_isize()?.try_into().ok()?);
    let text: Option<String> = numbers.iter().map(character).collect();
    text.map(Value::from)
        .ok_or_else(|| Error::str(NO_CHARACTERS))
}

fn to_json<'a>(cv: &Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let evaluation = *cv.0.data();
    evaluation.or_halt(evaluation.budget.weigh_as_text(&cv.1))?;
    within_bounds(
        cv,
        write(&cv.1)
            .map(Value::from)
            .map_err(|_| Error::str(NO_JSON_VALUE)),
    )
}

/// The places at which a part begins in a text or an array, in characters or items.
fn indices<'a>(cv: &Cv<'a, BoundedData>, part: &Value) -> ValX<'a, Value> {
    let evaluation = *cv.0.data();
    match (&cv.1, part) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::TStr(_), Value::TStr(_)) => {
            indices_of_text(evaluation, str_of(&cv.1)?, str_of(part)?)
        }
        (Value::Arr(_), Value::Arr(part)) if part.is_empty() => Ok(Value::from_iter([])),
        (Value::Arr(items), Value::Arr(part)) => {
            take_for_pairs(evaluation, items.len(), part.len())?;
            let windows = items.windows(part.len()).enumerate();
            Ok(windows
                .filter(|(_, window)| *window == part.as_slice())
                .map(|(place, _)| place.into())
                .collect())
        }
        (Value::Arr(items), item) => {
            let found = items.iter().enumerate().filter(|(_, other)| *other == item);
            Ok(found.map(|(place, _)| place.into()).collect())
        }
        (value, part) => Err(Error::index(value.clone(), part.clone()).into()),
    }
}

fn indices_of_text<'a>(
    evaluation: EvaluationContext<'_>,
    text: &str,
    part: &str,
) -> ValX<'a, Value> {
    let (mut found, mut from, mut characters) = (Vec::new(), 0, 0);
    let (finder, budget) = (Finder::new(part), evaluation.budget);
    while !part.is_empty()
        && let Some(place) = finder.find(&text.as_bytes()[from..])
    {
        let steps = 1 + part.len() / BYTES_IN_A_STEP;
        evaluation.or_halt(budget.take(steps).and_then(|()| budget.look_at_time()))?;
        characters += text[from..from + place].chars().count();
        found.push(Value::from(characters));
        from += place
            + text[from + place..]
                .chars()
                .next()
                .map_or(1, char::len_utf8);
        characters += 1;
    }
    Ok(found.into_iter().collect())
}

fn contains<'a>(cv: &Cv<'a, BoundedData>, part: &Value) -> ValX<'a, Value> {
    if kind(&cv.1) != kind(part) {
        return Err(errors::of_two(&cv.1, part, "cannot have their containment checked").into());
    }
    let evaluation = *cv.0.data();
    evaluation
        .or_halt(contains_within(evaluation.budget, &cv.1, part))
        .map(Value::from)
}

fn contains_within(
    budget: &EvaluationBudget,
    value: &Value,
    part: &Value,
) -> Result<bool, EvaluationBound> {
    match (value, part) {
        (Value::TStr(text), Value::TStr(part)) => Ok(std::str::from_utf8(text)
            .ok()
            .zip(std::str::from_utf8(part).ok())
            .is_some_and(|(text, part)| text.contains(part))),
        (Value::Arr(items), Value::Arr(parts)) => {
            budget.take(pairs(items.len(), parts.len()))?;
            all_of(parts.iter(), |part| {
                any_of(items.iter(), |item| contains_within(budget, item, part))
            })
        }
        (Value::Obj(fields), Value::Obj(parts)) => all_of(parts.iter(), |(name, part)| {
            fields
                .get(name)
                .map_or(Ok(false), |field| contains_within(budget, field, part))
        }),
        _ => Ok(value == part),
    }
}

fn all_of<T>(
    items: impl Iterator<Item = T>,
    mut holds: impl FnMut(T) -> Result<bool, EvaluationBound>,
) -> Result<bool, EvaluationBound> {
    any_of(items, |item| holds(item).map(|holds| !holds)).map(|fails| !fails)
}

fn any_of<T>(
    mut items: impl Iterator<Item = T>,
    mut holds: impl FnMut(T) -> Result<bool, EvaluationBound>,
) -> Result<bool, EvaluationBound> {
    items.try_fold(false, |any, item| Ok(any || holds(item)?))
}

fn take_for_pairs<'a>(
    evaluation: EvaluationContext<'_>,
    items: usize,
    parts: usize,
) -> ValX<'a, (), Value> {
    evaluation.or_halt(evaluation.budget.take(pairs(items, parts)))
}

fn pairs(items: usize, parts: usize) -> usize {
    items.saturating_mul(parts) / PAIRS_IN_A_STEP
}

/// The names of all functions, each with the number of its arguments.
fn builtins() -> Value {
    static BUILTINS: LazyLock<Value> = LazyLock::new(|| {
        let natives = all().map(|(name, arguments, _)| (name, arguments.len()));
        let defined = definitions().map(|definition| (definition.name, definition.args.len()));
        let mut functions: Vec<_> = natives
            .chain(defined)
            .filter(|(name, _)| is_public(name))
            .collect();
        functions.sort_unstable();
        functions.dedup();
        functions
            .into_iter()
            .map(|(name, arguments)| format!("{name}/{arguments}").into())
            .collect()
    });
    BUILTINS.clone()
}
