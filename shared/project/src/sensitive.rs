//! Masking of a flow's sensitive values.

use std::collections::BTreeSet;

use pomost_expression::{Expression, Value, Variables, name, read, text};
use pomost_models::Record;
use serde_json::value::RawValue;

use crate::{
    Flow,
    masking::{self, MASK},
};

/// The shortest value that is searched for within texts, in characters. A value like `1` occurs in
/// every other error.
const SHORTEST_SEARCHED: usize = 3;

impl Flow {
    /// Masks the sensitive values of a record in a text, so that the text may be logged or listed.
    pub fn mask(&self, record: &Value, text: &str) -> String {
        mask_all(&self.sensitive_values(record), text)
    }

    /// Masks the sensitive values of a record on its way: of its mapped data and of its extracted
    /// data.
    pub fn mask_for_record(&self, record: &Record, text: &str) -> String {
        let value = |json: &RawValue| read(json.get().as_bytes()).unwrap_or_default();
        self.mask(
            &value(record.extracted()),
            &self.mask(&value(&record.data), text),
        )
    }

    /// The record with its sensitive values masked, wherever they occur in it.
    pub fn mask_record(&self, record: &Value) -> Value {
        masked(record, &self.sensitive_values(record))
    }

    /// The scalars at the flow's sensitive paths.
    fn sensitive_values(&self, record: &Value) -> Vec<String> {
        let mut values = BTreeSet::new();
        for path in &self.sensitive {
            values_at(path, record)
                .iter()
                .for_each(|value| collect(value, &mut values));
        }
        values.into_iter().collect()
    }
}

/// The values at a path. Empty where the record ends before the path does.
///
/// The record may have another shape than the path expects, such as text in place of an object.
/// Then the value that stands there is as sensitive as the missing one, so the path is followed as
/// far as it goes.
fn values_at(path: &Expression, record: &Value) -> Vec<Value> {
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
        // Keys and ids contain the shortest form of a number: 1.1 where the record contains 1.10.
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
            Some(text) => match mask_all(values, &text) {
                hidden if hidden != text => Value::from(hidden),
                _ => scalar.clone(),
            },
            None => scalar.clone(),
        },
    }
}

fn mask_all(values: &[String], text: &str) -> String {
    let searched = values
        .iter()
        .map(String::as_str)
        .filter(|value| value.chars().count() >= SHORTEST_SEARCHED);
    masking::mask_values(searched, text)
}
