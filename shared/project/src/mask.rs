//! Hiding sensitive values wherever people look.

use std::collections::BTreeSet;

use pomost_expression::{Expression, Value, Variables, name, read, text};
use pomost_models::Record;
use serde_json::value::RawValue;

use crate::{
    Flow,
    masking::{self, MASK},
};

/// Shorter values are not hunted for inside texts: `1` stands in every other error.
const HUNTED: usize = 3;

impl Flow {
    /// Hides the sensitive values of a record wherever they stand in a text, so that the text may
    /// be logged or listed.
    pub fn mask(&self, record: &Value, text: &str) -> String {
        hide(&self.sensitive_values(record), text)
    }

    /// The same of a record as it is handed on: of what it was mapped to and of what was extracted.
    pub fn mask_for_record(&self, record: &Record, text: &str) -> String {
        let value = |json: &RawValue| read(json.get().as_bytes()).unwrap_or_default();
        self.mask(
            &value(record.extracted()),
            &self.mask(&value(&record.data), text),
        )
    }

    /// The record with its sensitive values hidden, wherever in it they stand.
    pub fn mask_record(&self, record: &Value) -> Value {
        masked(record, &self.sensitive_values(record))
    }

    /// The scalars at the flow's sensitive paths.
    fn sensitive_values(&self, record: &Value) -> Vec<String> {
        let mut values = BTreeSet::new();
        for path in &self.sensitive {
            found_at(path, record)
                .iter()
                .for_each(|value| collect(value, &mut values));
        }
        values.into_iter().collect()
    }
}

/// What a path leads to; nothing where the record ends before it. Where the record has another shape
/// than the path supposes, such as text in place of an object, what stands there is as sensitive as
/// what was looked for: the path is followed as far as it goes.
fn found_at(path: &Expression, record: &Value) -> Vec<Value> {
    let outputs = |path: &Expression| path.outputs(record.clone(), &Variables::default());
    if let Ok(found) = outputs(path) {
        return found;
    }
    let mut path = path.source();
    while let Some((shorter, _)) = path.rsplit_once(['.', '[']) {
        path = shorter;
        if let Some(found) = Expression::compile(path)
            .ok()
            .and_then(|path| outputs(&path).ok())
        {
            return found;
        }
    }
    vec![record.clone()]
}

fn collect(value: &Value, values: &mut BTreeSet<String>) {
    match value {
        Value::Arr(items) => items.iter().for_each(|item| collect(item, values)),
        Value::Obj(fields) => fields.values().for_each(|field| collect(field, values)),
        Value::Bool(_) | Value::Null => {}
        // Keys and ids are called by the name of a number, 1.1 where 1.10 was written.
        scalar => {
            let found = [text(scalar), name(scalar)].into_iter().flatten();
            values.extend(found.filter(|text| !text.is_empty()));
        }
    }
}

fn masked(value: &Value, values: &[String]) -> Value {
    match value {
        Value::Arr(items) => items.iter().map(|item| masked(item, values)).collect(),
        Value::Obj(fields) => Value::obj(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), masked(field, values)))
                .collect(),
        ),
        scalar => match text(scalar) {
            Some(text) if values.contains(&text) => Value::from(MASK.to_owned()),
            Some(text) => match hide(values, &text) {
                hidden if hidden != text => Value::from(hidden),
                _ => scalar.clone(),
            },
            None => scalar.clone(),
        },
    }
}

fn hide(values: &[String], text: &str) -> String {
    let hunted = values
        .iter()
        .map(String::as_str)
        .filter(|value| value.chars().count() >= HUNTED);
    masking::mask_values(hunted, text)
}
