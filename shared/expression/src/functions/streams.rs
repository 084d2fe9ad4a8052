//! jq's functions that take values apart, and put them together.

use std::rc::Rc as List;

use jaq_core::{
    Bind, Cv, Error, ValT as _, ValX, ValXs,
    box_iter::box_once,
    native::{Fun, run, v},
};
use jaq_std::ValT as _;

use super::{Data, str_of};
use crate::{
    Value,
    budget::{Bound, Evaluation},
    value::MAX_DEPTH,
};

/// What is said of a number of repetitions that is none.
pub(super) const NO_TIMES: &str = "expected a number of repetitions";
/// What is said of events that make no value.
pub(super) const NO_EVENT: &str = "expected events of a stream: [path, value] or [path]";

/// What an object of two fields counts for.
const STEPS_OF_AN_ENTRY: usize = 5;

pub(super) fn natives() -> Vec<Fun<Data>> {
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
        run(("tostream", v(0), |cv| each(to_stream(&cv)))),
        run(("fromstream", [Bind::Fun(())].into(), |mut cv| {
            let (events, context) = cv.0.pop_fun();
            let evaluation = *cv.0.data();
            let mut building = Building::default();
            let events = events.run((context, cv.1));
            Box::new(events.filter_map(move |event| {
                event.and_then(|event| building.take(evaluation, event)).transpose()
            }))
        })),
    ]
}

fn each<'a>(outputs: ValX<'a, Vec<Value>, Value>) -> ValXs<'a, Value> {
    match outputs {
        Ok(outputs) => Box::new(outputs.into_iter().map(Ok)),
        Err(error) => box_once(Err(error)),
    }
}

fn key(name: &str) -> Value {
    name.to_owned().into()
}

fn to_entries<'a>((context, value): Cv<'a, Data>) -> ValX<'a, Value> {
    let evaluation = *context.data();
    let entries = value.key_values().map(|entry| {
        evaluation.or_halt(evaluation.budget.take(STEPS_OF_AN_ENTRY))?;
        let (name, value) = entry?;
        Ok(Value::obj([(key("key"), name), (key("value"), value)].into_iter().collect()))
    });
    entries.collect()
}

fn from_entries<'a>((context, value): Cv<'a, Data>) -> ValX<'a, Value> {
    let evaluation = *context.data();
    let fields = value.values().map(|entry| {
        evaluation.or_halt(evaluation.budget.take(2))?;
        let Value::Obj(entry) = entry? else { return Err(Error::str(NO_ENTRY).into()) };
        let first_of = |names: &[&str]| {
            let mut fields = names.iter().filter_map(|name| entry.get(&key(name)));
            fields.find(|field| !matches!(field, Value::Null | Value::Bool(false))).cloned()
        };
        let name = first_of(&["key", "Key", "name", "Name", "k", "K"]).unwrap_or_default();
        str_of(&name)?;
        let value = ["value", "Value", "v", "V"].iter().find_map(|name| entry.get(&key(name)));
        Ok((name, value.cloned().unwrap_or_default()))
    });
    Ok(Value::obj(fields.collect::<ValX<'a, _, Value>>()?))
}

/// What is said of what is no entry.
pub(super) const NO_ENTRY: &str = "expected entries: objects with a key and a value";

fn depth_of<'a>(depth: &Value) -> ValX<'a, f64, Value> {
    match depth.as_f64() {
        Some(depth) if depth >= 0.0 => Ok(depth),
        _ => Err(Error::str("flatten depth must not be negative").into()),
    }
}

fn flatten<'a>((context, value): Cv<'a, Data>, depth: f64) -> ValX<'a, Value> {
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
            inner.iter().for_each(|item| flatten_into(items, item.clone(), depth - 1.0));
        }
        _ => items.push(value),
    }
}

/// All ways to take one item of each array.
fn combinations<'a>(cv: &Cv<'a, Data>) -> ValXs<'a, Value> {
    let choices = match &cv.1 {
        Value::Arr(arrays) => arrays.iter().cloned().map(choices).collect(),
        other => Err(Error::typ(other.clone(), "array").into()),
    };
    match choices {
        Ok(choices) => Box::new(Combinations::new(*cv.0.data(), choices)),
        Err(error) => box_once(Err(error)),
    }
}

/// All ways to take so many items of an array.
fn repeated<'a>(cv: &Cv<'a, Data>, times: &Value) -> ValXs<'a, Value> {
    let evaluation = *cv.0.data();
    let choices = || {
        let times = times.as_f64().ok_or_else(|| Error::str(NO_TIMES))?.ceil().max(0.0);
        evaluation.or_halt(evaluation.budget.take(times as usize))?;
        let choices = if times > 0.0 { choices(cv.1.clone())? } else { List::default() };
        Ok(vec![choices; times as usize])
    };
    match choices() {
        Ok(choices) => Box::new(Combinations::new(evaluation, choices)),
        Err(error) => box_once(Err(error)),
    }
}

fn choices<'a>(value: Value) -> ValX<'a, List<[Value]>, Value> {
    Ok(value.values().collect::<Result<Vec<_>, _>>()?.into())
}

/// Combinations, one by one: the last place goes through its choices first.
struct Combinations<'e> {
    evaluation: Evaluation<'e>,
    choices: Vec<List<[Value]>>,
    places: Option<Vec<usize>>,
}

impl<'e> Combinations<'e> {
    fn new(evaluation: Evaluation<'e>, choices: Vec<List<[Value]>>) -> Combinations<'e> {
        let places = choices.iter().all(|choices| !choices.is_empty()).then(|| vec![0; choices.len()]);
        Combinations { evaluation, choices, places }
    }

    /// Whether there are further places.
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

impl<'e> Iterator for Combinations<'e> {
    type Item = ValX<'e, Value>;

    fn next(&mut self) -> Option<ValX<'e, Value>> {
        let places = self.places.as_mut()?;
        let steps = self.evaluation.budget.take(1 + places.len());
        let chosen = self.choices.iter().zip(&*places).map(|(choices, place)| choices[*place].clone());
        let combination = self.evaluation.or_halt(steps).map(|()| chosen.collect());
        if combination.is_err() || !Combinations::advance(&self.choices, places) {
            self.places = None;
        }
        Some(combination)
    }
}

/// A value in which all that is below it is updated, the innermost first: an item becomes all outputs of the
/// update, a field its first.
fn walked_below<'a>(
    evaluation: Evaluation<'_>,
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
            let first =
                |(name, field): (&Value, &Value)| match walked(field).map(|mut outputs| outputs.next()) {
                    Ok(output) => output.map(|output| Ok((name.clone(), output?))),
                    Err(error) => Some(Err(error)),
                };
            Ok(Value::obj(fields.iter().filter_map(first).collect::<ValX<'a, _, Value>>()?))
        }
        _ => Ok(value),
    }
}

fn to_stream<'a>(cv: &Cv<'a, Data>) -> ValX<'a, Vec<Value>, Value> {
    let evaluation = *cv.0.data();
    evaluation.or_halt(evaluation.budget.weigh(&cv.1))?;
    let mut events = Vec::new();
    evaluation.or_halt(stream_into(evaluation, &mut events, &mut Vec::new(), &cv.1))?;
    Ok(events)
}

fn stream_into(
    evaluation: Evaluation<'_>,
    events: &mut Vec<Value>,
    path: &mut Vec<Value>,
    value: &Value,
) -> Result<(), Bound> {
    evaluation.budget.take(2 * (2 + path.len()))?;
    let children: Box<dyn Iterator<Item = (Value, &Value)>> = match value {
        Value::Arr(items) => Box::new(items.iter().enumerate().map(|(place, item)| (place.into(), item))),
        Value::Obj(fields) => Box::new(fields.iter().map(|(name, field)| (name.clone(), field))),
        _ => Box::new(std::iter::empty()),
    };
    let mut last = None;
    for (name, child) in children {
        path.push(name);
        stream_into(evaluation, events, path, child)?;
        last = path.pop();
    }
    let at: Value = path.iter().cloned().chain(last.clone()).collect();
    events.push([at].into_iter().chain(last.is_none().then(|| value.clone())).collect());
    Ok(())
}

/// A value that is put together of events.
#[derive(Default)]
struct Building {
    value: Value,
}

impl Building {
    /// Takes the next event; gives the value that it ends.
    fn take<'a>(&mut self, evaluation: Evaluation<'_>, event: Value) -> ValX<'a, Option<Value>, Value> {
        let Value::Arr(event) = &event else { return Err(Error::str(NO_EVENT).into()) };
        let Some(Value::Arr(path)) = event.first() else { return Err(Error::str(NO_EVENT).into()) };
        if path.len() > MAX_DEPTH {
            return evaluation.or_halt(Err(Bound::Depth));
        }
        evaluation.or_halt(evaluation.budget.take(1 + path.len()))?;
        let ends = match event.get(1) {
            Some(leaf) => {
                put(&mut self.value, path, leaf.clone())?;
                path.is_empty()
            }
            None => path.len() == 1,
        };
        Ok(ends.then(|| std::mem::take(&mut self.value)))
    }
}

/// Puts a value at a path, which is made as far as it is not there.
fn put(into: &mut Value, path: &[Value], leaf: Value) -> Result<(), Error<Value>> {
    let Some((first, rest)) = path.split_first() else {
        *into = leaf;
        return Ok(());
    };
    match (&mut *into, first) {
        (Value::Null, Value::TStr(_)) => {
            *into = Value::obj(Default::default());
            put(into, path, leaf)
        }
        (Value::Null, Value::Num(_)) => {
            *into = Value::from_iter([]);
            put(into, path, leaf)
        }
        (Value::Obj(fields), Value::TStr(_)) => {
            put(jaq_json::Rc::make_mut(fields).entry(first.clone()).or_default(), rest, leaf)
        }
        (Value::Arr(items), Value::Num(_)) => {
            let items = jaq_json::Rc::make_mut(items);
            let place = first.as_isize().and_then(|place| usize::try_from(place).ok());
            match place {
                Some(place) if place < items.len() => put(&mut items[place], rest, leaf),
                // Events come in their order, so that an item is the next one.
                Some(place) if place == items.len() => {
                    items.push(Value::Null);
                    put(&mut items[place], rest, leaf)
                }
                _ => Err(Error::str(NO_EVENT)),
            }
        }
        _ => Err(Error::str(NO_EVENT)),
    }
}
