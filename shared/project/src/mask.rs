//! Hiding sensitive values wherever people look.

use std::collections::BTreeSet;

use pomost_expression::{Value, Variables, text};

use crate::Flow;

/// What stands for a value that is hidden.
const MASK: &str = "***";

/// Shorter values are not hunted for inside texts: `1` stands in every other error.
const HUNTED: usize = 3;

impl Flow {
    /// Hides the sensitive values of a record wherever they stand in a text, so that the text may
    /// be logged or listed.
    pub fn mask(&self, record: &Value, text: &str) -> String {
        hide(&self.sensitive_values(record), text)
    }

    /// The record with its sensitive values hidden, wherever in it they stand.
    pub fn mask_record(&self, record: &Value) -> Value {
        masked(record, &self.sensitive_values(record))
    }

    /// The scalars at the flow's sensitive paths. A path that the record does not have has none.
    fn sensitive_values(&self, record: &Value) -> Vec<String> {
        let mut values = BTreeSet::new();
        for path in &self.sensitive {
            let found = path.outputs(record.clone(), &Variables::default()).unwrap_or_default();
            found.iter().for_each(|value| collect(value, &mut values));
        }
        let mut values: Vec<String> = values.into_iter().collect();
        // A value that holds another one goes first, or its rest would be left standing.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values
    }
}

fn collect(value: &Value, values: &mut BTreeSet<String>) {
    match value {
        Value::Arr(items) => items.iter().for_each(|item| collect(item, values)),
        Value::Obj(fields) => fields.values().for_each(|field| collect(field, values)),
        Value::Bool(_) | Value::Null => {}
        scalar => values.extend(text(scalar).filter(|text| !text.is_empty())),
    }
}

fn masked(value: &Value, values: &[String]) -> Value {
    match value {
        Value::Arr(items) => items.iter().map(|item| masked(item, values)).collect(),
        Value::Obj(fields) => {
            Value::obj(fields.iter().map(|(name, field)| (name.clone(), masked(field, values))).collect())
        }
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
    let hunted = values.iter().filter(|value| value.chars().count() >= HUNTED);
    hunted.fold(text.to_owned(), |text, value| text.replace(value.as_str(), MASK))
}
