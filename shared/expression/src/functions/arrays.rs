//! jq's functions of arrays and objects.

use std::rc::Rc as List;

use jaq_core::{
    Bind, Cv, Error, ValT as _, ValX, ValXs,
    box_iter::box_once,
    native::{Fun, run, v},
};
use jaq_std::ValT as _;

use super::{BoundedData, str_of};
use crate::{Value, budget::EvaluationContext};

/// The message of a number of repetitions that is invalid.
pub(super) const NO_TIMES: &str = "expected a number of repetitions";

/// Steps for an object of two fields.
const STEPS_OF_AN_ENTRY: usize = 5;

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("to_entries", v(0), |cv| box_once(to_entries(cv)))),
        run(("from_entries", v(0), |cv| box_once(from_entries(cv)))),
        run(("flatten", v(0), |cv| box_once(flatten(cv, f64::INFINITY)))),
        run(("flatten", v(1), |mut cv| {
            let depth = cv.0.pop_var();
            box_once(depth_of(&depth).and_then(|depth| flatten(cv, depth)))
        })),
        run(("combinations", v(0), |cv| combinations(&cv))),
        run(("combinations", v(1), |mut cv| {
            let times = cv.0.pop_var();
            repeated(&cv, &times)
        })),
        run(("walk", [Bind::Fun(())].into(), |mut cv| {
            let (update, context) = cv.0.pop_fun();
            let evaluation = *cv.0.data();
            let update = |value| update.run((context.clone(), value));
            match evaluation
                .or_halt(evaluation.budget.weigh(&cv.1))
                .and_then(|()| walked_below(evaluation, cv.1, &update))
            {
                Ok(value) => update(value),
                Err(error) => box_once(Err(error)),
            }
        })),
    ]
}

fn key(name: &str) -> Value {
    name.to_owned().into()
}

fn to_entries<'a>((context, value): Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let evaluation = *context.data();
    let entries = value.key_values().map(|entry| {
        evaluation.or_halt(evaluation.budget.take(STEPS_OF_AN_ENTRY))?;
        let (name, value) = entry?;
        Ok(Value::obj(
            [(key("key"), name), (key("value"), value)]
                .into_iter()
                .collect(),
        ))
    });
    entries.collect()
}

fn from_entries<'a>((context, value): Cv<'a, BoundedData>) -> ValX<'a, Value> {
    let evaluation = *context.data();
    let fields = value.values().map(|entry| {
        evaluation.or_halt(evaluation.budget.take(2))?;
        let Value::Obj(entry) = entry? else {
            return Err(Error::str(NO_ENTRY).into());
        };
        let first_of = |names: &[&str]| {
            let mut fields = names.iter().filter_map(|name| entry.get(&key(name)));
            fields
                .find(|field| !matches!(field, Value::Null | Value::Bool(false)))
                .cloned()
        };
        let name = first_of(&["key", "Key", "name", "Name", "k", "K"]).unwrap_or_default();
        str_of(&name).map_err(|_| Error::str(NO_ENTRY))?;
        let value = ["value", "Value", "v", "V"]
            .iter()
            .find_map(|name| entry.get(&key(name)));
        Ok((name, value.cloned().unwrap_or_default()))
    });
    Ok(Value::obj(fields.collect::<ValX<'a, _, Value>>()?))
}

/// The message of a value that is no entry.
pub(super) const NO_ENTRY: &str =
    "expected entries: objects with a key, which is text, and a value";

fn depth_of<'a>(depth: &Value) -> ValX<'a, f64, Value> {
    match depth.as_f64() {
        Some(depth) if depth >= 0.0 => Ok(depth),
        _ => Err(Error::str("flatten depth must not be negative").into()),
    }
}

fn flatten<'a>((context, value): Cv<'a, BoundedData>, depth: f64) -> ValX<'a, Value> {
    let evaluation = *context.data();
    evaluation.or_halt(evaluation.budget.weigh(&value))?;
    let mut items = Vec::new();
    for item in value.values() {
        flatten_into(&mut items, item?, depth);
    }
    evaluation.or_halt(evaluation.budget.take(items.len()))?;
    Ok(items.into_iter().collect())
}

fn flatten_into(items: &mut Vec<Value>, value: Value, depth: f64) {
    match &value {
        Value::Arr(inner) if depth != 0.0 => {
            inner
                .iter()
                .for_each(|item| flatten_into(items, item.clone(), depth - 1.0));
        }
        _ => items.push(value),
    }
}

/// All combinations of one item of each array.
fn combinations<'a>(cv: &Cv<'a, BoundedData>) -> ValXs<'a, Value> {
    let choices = match &cv.1 {
        Value::Arr(arrays) => arrays.iter().cloned().map(choices).collect(),
        other => Err(Error::typ(other.clone(), "array").into()),
    };
    match choices {
        Ok(choices) => Box::new(ArrayCombinations::new(*cv.0.data(), choices)),
        Err(error) => box_once(Err(error)),
    }
}

/// All combinations of `times` items of an array.
fn repeated<'a>(cv: &Cv<'a, BoundedData>, times: &Value) -> ValXs<'a, Value> {
    let evaluation = *cv.0.data();
    let choices = || {
        let times = times
            .as_f64()
            .ok_or_else(|| Error::str(NO_TIMES))?
            .ceil()
            .max(0.0);
        evaluation.or_halt(evaluation.budget.take(times as usize))?;
        let choices = if times > 0.0 {
            choices(cv.1.clone())?
        } else {
            List::default()
        };
        Ok(vec![choices; times as usize])
    };
    match choices() {
        Ok(choices) => Box::new(ArrayCombinations::new(evaluation, choices)),
        Err(error) => box_once(Err(error)),
    }
}

fn choices<'a>(value: Value) -> ValX<'a, List<[Value]>, Value> {
    Ok(value.values().collect::<Result<Vec<_>, _>>()?.into())
}

/// Combinations, one by one. The last place changes first.
struct ArrayCombinations<'e> {
    evaluation: EvaluationContext<'e>,
    choices: Vec<List<[Value]>>,
    places: Option<Vec<usize>>,
}

impl<'e> ArrayCombinations<'e> {
    fn new(
        evaluation: EvaluationContext<'e>,
        choices: Vec<List<[Value]>>,
    ) -> ArrayCombinations<'e> {
        let places = choices
            .iter()
            .all(|choices| !choices.is_empty())
            .then(|| vec![0; choices.len()]);
        ArrayCombinations {
            evaluation,
            choices,
            places,
        }
    }

    /// Moves on to the next combination. False where there is none.
    fn advance(choices: &[List<[Value]>], places: &mut [usize]) -> bool {
        for (choices, place) in choices.iter().zip(places).rev() {
            *place += 1;
            if *place < choices.len() {
                return true;
            }
            *place = 0;
        }
        false
    }
}

impl<'e> Iterator for ArrayCombinations<'e> {
    type Item = ValX<'e, Value>;

    fn next(&mut self) -> Option<ValX<'e, Value>> {
        let places = self.places.as_mut()?;
        let steps = self.evaluation.budget.take(1 + places.len());
        let chosen = self
            .choices
            .iter()
            .zip(&*places)
            .map(|(choices, place)| choices[*place].clone());
        let combination = self.evaluation.or_halt(steps).map(|()| chosen.collect());
        if combination.is_err() || !ArrayCombinations::advance(&self.choices, places) {
            self.places = None;
        }
        Some(combination)
    }
}

/// A value in which everything below it was updated, the innermost values first: an item becomes
/// all outputs of the update, a field its first output.
fn walked_below<'a>(
    evaluation: EvaluationContext<'_>,
    value: Value,
    update: &dyn Fn(Value) -> ValXs<'a, Value>,
) -> ValX<'a, Value> {
    evaluation.or_halt(evaluation.budget.take(1))?;
    let walked = |child: &Value| walked_below(evaluation, child.clone(), update).map(update);
    match &value {
        Value::Arr(items) => {
            let mut updated = Vec::with_capacity(items.len());
            for item in items.iter() {
                walked(item)?.try_for_each(|item| item.map(|item| updated.push(item)))?;
            }
            Ok(updated.into_iter().collect())
        }
        Value::Obj(fields) => {
            let first = |(name, field): (&Value, &Value)| match walked(field)
                .map(|mut outputs| outputs.next())
            {
                Ok(output) => output.map(|output| Ok((name.clone(), output?))),
                Err(error) => Some(Err(error)),
            };
            Ok(Value::obj(fields.iter().filter_map(first).collect::<ValX<
                'a,
                _,
                Value,
            >>(
            )?))
        }
        _ => Ok(value),
    }
}
