//! Setting values at paths. Objects and arrays that are absent on the way are made.

use std::mem::take;

use jaq_json::{Map, Rc};

use super::{error::PathError, get, get::LookupRefusal, kind};
use crate::{
    Value,
    budget::{EvaluationBound, EvaluationBudget, MAX_ITEMS},
};

/// Number of nulls that are put before an item in the time and memory of one step.
const NULLS_IN_A_STEP: usize = 6;

/// Sets the value at a path.
pub(super) fn at_path(
    budget: &EvaluationBudget,
    value: &mut Value,
    path: &[Value],
    new: Value,
) -> Result<(), PathError> {
    let Some((key, rest)) = path.split_first() else {
        *value = new;
        return Ok(());
    };
    make(value, key);
    match (value, key) {
        (Value::Obj(fields), Value::TStr(_)) => {
            let field = Rc::make_mut(fields).entry(key.clone()).or_default();
            at_path(budget, field, rest, new)
        }
        (Value::Arr(items), Value::Num(_)) => {
            let place = place_to_set(key, items.len())?;
            if place >= items.len() {
                budget.take(1 + (place - items.len()) / NULLS_IN_A_STEP)?;
            }
            let items = Rc::make_mut(items);
            if place >= items.len() {
                items.resize(place + 1, Value::Null);
            }
            at_path(budget, &mut items[place], rest, new)
        }
        (Value::Arr(items), Value::Obj(_)) => set_slice(budget, items, key, rest, new),
        (Value::TStr(_) | Value::BStr(_), Value::Obj(_)) => {
            Err(PathError::of("Cannot update string slices"))
        }
        (Value::Arr(_), Value::Arr(_)) => Err(PathError::of(format_args!(
            "Cannot update field at {} index of array",
            kind(key)
        ))),
        (value, key) => Err(LookupRefusal::NoSuchKey.error(value, key).into()),
    }
}

/// Takes out the value at a path and leaves null, so that it can be changed without a copy.
pub(super) fn take_out(
    budget: &EvaluationBudget,
    value: &mut Value,
    path: &[Value],
) -> Result<Value, PathError> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(take(value));
    };
    let below = match (&mut *value, key) {
        (Value::Obj(fields), Value::TStr(_)) if fields.contains_key(key) => {
            Rc::make_mut(fields).get_mut(key)
        }
        (Value::Arr(items), Value::Num(_)) => match get::place(key, items.len()) {
            Some(place) if place < items.len() => Rc::make_mut(items).get_mut(place),
            _ => None,
        },
        _ => None,
    };
    match below {
        Some(below) => take_out(budget, below, rest),
        None => get::at_path(budget, value, path),
    }
}

/// Makes an object or an array of null, by the type of the key.
fn make(value: &mut Value, key: &Value) {
    match (&*value, key) {
        (Value::Null, Value::TStr(_)) => *value = Value::obj(Map::default()),
        (Value::Null, Value::Num(_) | Value::Obj(_)) => *value = Value::from_iter([]),
        _ => {}
    }
}

fn place_to_set(key: &Value, length: usize) -> Result<usize, PathError> {
    match get::place(key, length) {
        Some(place) if place < MAX_ITEMS => Ok(place),
        Some(_) => Err(PathError::of("Array index too large")),
        None if jaq_std::ValT::as_f64(key).is_some_and(f64::is_nan) => {
            Err(PathError::of("Cannot set array element at NaN index"))
        }
        None => Err(PathError::of("Out of bounds negative array index")),
    }
}

fn set_slice(
    budget: &EvaluationBudget,
    items: &mut Rc<Vec<Value>>,
    key: &Value,
    rest: &[Value],
    new: Value,
) -> Result<(), PathError> {
    let places =
        get::range(key, items.len()).map_err(|refusal| refusal.error(&Value::Null, key))?;
    let mut slice = if rest.is_empty() {
        Value::Null
    } else {
        items[places.clone()].iter().cloned().collect()
    };
    at_path(budget, &mut slice, rest, new)?;
    let Value::Arr(slice) = slice else {
        return Err(PathError::of(
            "A slice of an array can only be assigned another array",
        ));
    };
    budget.take(get::steps_of_copy(items.len() + slice.len()))?;
    if items.len() - places.len() + slice.len() > MAX_ITEMS {
        return Err(EvaluationBound::Items.into());
    }
    Rc::make_mut(items).splice(places, slice.iter().cloned());
    Ok(())
}
