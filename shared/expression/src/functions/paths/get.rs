//! Looks up values by keys and paths.

use std::ops::Range;

use jaq_core::{Error, ValT as _};
use jaq_std::ValT as _;

use super::error::{PathError, described, kind};
use crate::{
    Value,
    budget::{EvaluationBound, EvaluationBudget},
};

/// Number of items that are kept in the memory of one step.
const ITEMS_KEPT_IN_A_STEP: usize = 2;

/// Number of items that are copied or compared in the time of one step.
const ITEMS_IN_A_STEP: usize = 32;

/// The reason why a look-up failed.
pub(super) enum LookupRefusal {
    /// Values of this type have no keys of that type.
    NoSuchKey,
    NoNumbers,
}

impl LookupRefusal {
    pub(super) fn error(self, value: &Value, key: &Value) -> Error<Value> {
        match self {
            LookupRefusal::NoSuchKey => Error::str(format_args!(
                "Cannot index {} with {}",
                kind(value),
                described(key)
            )),
            LookupRefusal::NoNumbers => Error::str("Array/string slice indices must be integers"),
        }
    }
}

/// The value at a key; null where there is none.
fn one(value: &Value, key: &Value) -> Result<Value, LookupRefusal> {
    match (value, key) {
        (Value::Obj(fields), Value::TStr(_)) => Ok(fields.get(key).cloned().unwrap_or_default()),
        (Value::Arr(items), Value::Num(_)) => Ok(place(key, items.len())
            .and_then(|place| items.get(place))
            .cloned()
            .unwrap_or_default()),
        (Value::Null, Value::TStr(_) | Value::Num(_) | Value::Obj(_)) => Ok(Value::Null),
        (Value::Arr(items), Value::Obj(_)) => {
            Ok(items[range(key, items.len())?].iter().cloned().collect())
        }
        (Value::TStr(bytes), Value::Obj(_)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::utf8_str(bytes.slice(slice(text, key)?))),
            Err(_) => Err(LookupRefusal::NoSuchKey),
        },
        (Value::Arr(_), Value::Arr(_)) | (Value::BStr(_), Value::Num(_) | Value::Obj(_)) => value
            .clone()
            .index(key)
            .map_err(|_| LookupRefusal::NoSuchKey),
        _ => Err(LookupRefusal::NoSuchKey),
    }
}

/// The value at a key, within the budget. A search for an array takes its steps first: nothing
/// could interrupt it.
pub(super) fn within_budget(
    budget: &EvaluationBudget,
    value: &Value,
    key: &Value,
) -> Result<Result<Value, LookupRefusal>, EvaluationBound> {
    if let (Value::Arr(items), Value::Arr(searched)) = (value, key) {
        budget.take(items.len().saturating_mul(searched.len()) / ITEMS_IN_A_STEP)?;
    }
    let found = one(value, key);
    if let Ok(found) = &found {
        budget.take(steps(value, key, found))?;
    }
    Ok(found)
}

/// The value at a path.
pub(super) fn at_path(
    budget: &EvaluationBudget,
    value: &Value,
    path: &[Value],
) -> Result<Value, PathError> {
    path.iter().try_fold(value.clone(), |value, key| {
        let found =
            within_budget(budget, &value, key)?.map_err(|refusal| refusal.error(&value, key))?;
        Ok(found)
    })
}

/// Steps of a look-up, by the value that was found.
fn steps(value: &Value, key: &Value, found: &Value) -> usize {
    match (value, key, found) {
        (Value::Arr(_), Value::Obj(_), Value::Arr(found)) => 1 + found.len() / ITEMS_KEPT_IN_A_STEP,
        (Value::TStr(text) | Value::BStr(text), _, _) => 1 + text.len() / 512,
        _ => 0,
    }
}

/// Steps of copying a value that has other owners.
pub(super) fn steps_of_copy(items: usize) -> usize {
    items / ITEMS_IN_A_STEP
}

/// The place of an item by its number, which counts from the end where it is negative, and whose
/// decimals do not count; none before the first item, and none for a number that is not finite.
pub(super) fn place(number: &Value, length: usize) -> Option<usize> {
    let number = number.as_f64()?.trunc();
    let place = if number < 0.0 {
        number + length as f64
    } else {
        number
    };
    (place >= 0.0).then_some(place as usize)
}

/// The places from the start to the end of a slice. Decimals make the slice wider.
pub(super) fn range(key: &Value, length: usize) -> Result<Range<usize>, LookupRefusal> {
    let (from, to) = (end(key, "start")?, end(key, "end")?);
    let whole = length as f64;
    let from_end = |place: f64| if place < 0.0 { place + whole } else { place };
    let start = from.map_or(0.0, from_end).clamp(0.0, whole).floor();
    let end = to
        .map_or(whole, from_end)
        .clamp(start, whole.max(start))
        .ceil();
    Ok(start as usize..end as usize)
}

/// An end of a slice, where it is given. An error where it is no number.
fn end(key: &Value, name: &str) -> Result<Option<f64>, LookupRefusal> {
    let Value::Obj(ends) = key else {
        return Ok(None);
    };
    match ends.get(&Value::from(name.to_owned())) {
        Some(Value::Null) => Ok(None),
        Some(end @ Value::Num(_)) => Ok(end.as_f64().filter(|end| !end.is_nan())),
        // As jq has it, an end that is not there is no end either: `.[{}]` is a mistake, not a
        // copy.
        None | Some(_) => Err(LookupRefusal::NoNumbers),
    }
}

/// The bytes of a slice of a text, whose ends count characters.
fn slice(text: &str, key: &Value) -> Result<Range<usize>, LookupRefusal> {
    let Range { start, end } = range(key, text.chars().count())?;
    let mut places = text.char_indices().map(|(place, _)| place).skip(start);
    let from = places.next().unwrap_or(text.len());
    let to = if end > start {
        places.nth(end - start - 1).unwrap_or(text.len())
    } else {
        from
    };
    Ok(from..to)
}
