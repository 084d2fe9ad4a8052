//! Deletes at all paths at once, so that no deletion moves the place of another.

use jaq_core::Error;
use jaq_json::Rc;

use super::{error::PathError, get, kind, set};
use crate::{Value, budget::EvaluationBudget};

/// Deletes the values at paths.
pub(super) fn all(
    budget: &EvaluationBudget,
    value: &mut Value,
    mut paths: Vec<Vec<Value>>,
) -> Result<(), PathError> {
    if paths.is_empty() {
        return Ok(());
    }
    budget.take(paths.len())?;
    paths.sort();
    if paths[0].is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    below(budget, value, &paths, 0)
}

/// Deletes at sorted paths whose keys before `depth` lead to this value.
fn below(
    budget: &EvaluationBudget,
    value: &mut Value,
    paths: &[Vec<Value>],
    depth: usize,
) -> Result<(), PathError> {
    let mut keys = Vec::new();
    for together in paths.chunk_by(|one, next| one[depth] == next[depth]) {
        let key = &together[0][depth..=depth];
        // The shortest comes first: where all of it goes, nothing more is to be deleted in it.
        if together[0].len() == depth + 1 {
            keys.push(&key[0]);
            continue;
        }
        let mut part = set::take_out(budget, value, key)?;
        if !matches!(part, Value::Null) {
            below(budget, &mut part, together, depth + 1)?;
            set::at_path(budget, value, key, part)?;
        }
    }
    if keys.is_empty() {
        Ok(())
    } else {
        remove(budget, value, &keys)
    }
}

/// Removes the items or fields of sorted keys.
fn remove(budget: &EvaluationBudget, value: &mut Value, keys: &[&Value]) -> Result<(), PathError> {
    match value {
        Value::Null => Ok(()),
        Value::Arr(items) => {
            let mut places = places_of(keys, items.len())?.into_iter();
            budget.take(get::steps_of_copy(items.len()))?;
            Rc::make_mut(items).retain(|_| !places.next().unwrap_or_default());
            Ok(())
        }
        Value::Obj(fields) => {
            if let Some(key) = keys.iter().find(|key| !matches!(key, Value::TStr(_))) {
                return Err(PathError::of(format_args!(
                    "Cannot delete {} field of object",
                    kind(key)
                )));
            }
            budget.take(get::steps_of_copy(fields.len()))?;
            Rc::make_mut(fields).retain(|name, _| keys.binary_search(&name).is_err());
            Ok(())
        }
        other => Err(PathError::of(format_args!(
            "Cannot delete fields from {}",
            kind(other)
        ))),
    }
}

/// For each place of an array, true where a key names it.
fn places_of(keys: &[&Value], length: usize) -> Result<Vec<bool>, Error<Value>> {
    let mut named = vec![false; length];
    for key in keys {
        match key {
            Value::Num(_) => {
                let place = get::place(key, length).and_then(|place| named.get_mut(place));
                place.into_iter().for_each(|named| *named = true);
            }
            Value::Obj(_) => {
                let places =
                    get::range(key, length).map_err(|refusal| refusal.error(&Value::Null, key))?;
                named[places].fill(true);
            }
            other => {
                return Err(Error::str(format_args!(
                    "Cannot delete {} element of array",
                    kind(other)
                )));
            }
        }
    }
    Ok(named)
}
