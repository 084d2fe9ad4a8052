//! jq's functions that turn values into events, and events into values.

use jaq_core::{
    Bind, Cv, Error, ValX,
    native::{Fun, run, v},
};
use jaq_std::ValT as _;

use super::{BoundedData, each};
use crate::{
    Value,
    budget::{EvaluationBound, EvaluationContext},
    value::MAX_DEPTH,
};

/// The message of events that make no value.
pub(super) const NO_EVENT: &str = "expected events of a stream: [path, value] or [path]";

pub(super) fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("tostream", v(0), |cv| each(to_stream(&cv)))),
        run(("fromstream", [Bind::Fun(())].into(), |mut cv| {
            let (events, context) = cv.0.pop_fun();
            let evaluation = *cv.0.data();
            let mut building = StreamBuilding::default();
            let events = events.run((context, cv.1));
            Box::new(events.filter_map(move |event| {
                event
                    .and_then(|event| building.take(evaluation, event))
                    .transpose()
            }))
        })),
    ]
}

fn to_stream<'a>(cv: &Cv<'a, BoundedData>) -> ValX<'a, Vec<Value>, Value> {
    let evaluation = *cv.0.data();
    evaluation.or_halt(evaluation.budget.weigh(&cv.1))?;
    let mut events = Vec::new();
    evaluation.or_halt(stream_into(evaluation, &mut events, &mut Vec::new(), &cv.1))?;
    Ok(events)
}

fn stream_into(
    evaluation: EvaluationContext<'_>,
    events: &mut Vec<Value>,
    path: &mut Vec<Value>,
    value: &Value,
) -> Result<(), EvaluationBound> {
    evaluation.budget.take(2 * (2 + path.len()))?;
    let children: Box<dyn Iterator<Item = (Value, &Value)>> = match value {
        Value::Arr(items) => Box::new(
            items
                .iter()
                .enumerate()
                .map(|(place, item)| (place.into(), item)),
        ),
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
    events.push(
        [at].into_iter()
            .chain(last.is_none().then(|| value.clone()))
            .collect(),
    );
    Ok(())
}

/// A value that is built from events.
#[derive(Default)]
struct StreamBuilding {
    value: Value,
}

impl StreamBuilding {
    /// Takes the next event. Returns the value that it completes.
    fn take<'a>(
        &mut self,
        evaluation: EvaluationContext<'_>,
        event: Value,
    ) -> ValX<'a, Option<Value>, Value> {
        let Value::Arr(event) = &event else {
            return Err(Error::str(NO_EVENT).into());
        };
        let Some(Value::Arr(path)) = event.first() else {
            return Err(Error::str(NO_EVENT).into());
        };
        if path.len() > MAX_DEPTH {
            return evaluation.or_halt(Err(EvaluationBound::Depth));
        }
        evaluation.or_halt(evaluation.budget.take(1 + path.len()))?;
        let ends = match event.get(1) {
            Some(leaf) => {
                put(evaluation, &mut self.value, path, leaf.clone())?;
                path.is_empty()
            }
            None => path.len() == 1,
        };
        Ok(ends.then(|| std::mem::take(&mut self.value)))
    }
}

/// Puts a value at a path, and makes what is absent on the way.
fn put<'a>(
    evaluation: EvaluationContext<'_>,
    into: &mut Value,
    path: &[Value],
    leaf: Value,
) -> ValX<'a, (), Value> {
    let Some((first, rest)) = path.split_first() else {
        *into = leaf;
        return Ok(());
    };
    if *into == Value::Null {
        *into = if matches!(first, Value::TStr(_)) {
            Value::obj(Default::default())
        } else {
            Value::from_iter([])
        };
    }
    match (into, first) {
        (Value::Obj(fields), Value::TStr(_)) => put(
            evaluation,
            jaq_json::Rc::make_mut(fields)
                .entry(first.clone())
                .or_default(),
            rest,
            leaf,
        ),
        (Value::Arr(items), Value::Num(_)) => {
            let place = first
                .as_isize()
                .and_then(|place| usize::try_from(place).ok());
            let place = place.ok_or_else(|| Error::str(NO_EVENT))?;
            let items = jaq_json::Rc::make_mut(items);
            if place >= items.len() {
                evaluation.or_halt(evaluation.budget.take(place - items.len()))?;
                items.resize(place + 1, Value::Null);
            }
            put(evaluation, &mut items[place], rest, leaf)
        }
        _ => Err(Error::str(NO_EVENT).into()),
    }
}
