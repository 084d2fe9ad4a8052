//! Exact numbers of a schema.

use std::collections::{HashMap, HashSet};

use pomost_expression::{ExactNumber, Value, text, to_json};
use serde_json::{Number, Value as Schema};

/// The numbers of a schema that are no floats. The validator reads schemas with floats, so a float
/// that occurs nowhere else stands in for each of these numbers. They are found again by the bits
/// of the float.
#[derive(Default)]
pub(super) struct SchemaNumbers {
    taken: HashSet<u64>,
    stand_ins: HashMap<u64, Value>,
}

impl SchemaNumbers {
    /// The schema as the validator reads it, and the numbers that floats stand in for.
    pub(super) fn of(schema: &Value) -> (Schema, SchemaNumbers) {
        let mut numbers = SchemaNumbers::default();
        numbers.collect_floats(schema);
        (numbers.with_stand_ins(schema), numbers)
    }

    /// True where floats stand in for other numbers.
    pub(super) fn has_stand_ins(&self) -> bool {
        !self.stand_ins.is_empty()
    }

    /// The value that the schema contains in place of a value that the validator read.
    pub(super) fn original(&self, read: &Schema) -> Value {
        match read {
            Schema::Null => Value::Null,
            Schema::Bool(truth) => Value::Bool(*truth),
            Schema::Number(number) => self.number(number),
            Schema::String(text) => text.clone().into(),
            Schema::Array(items) => items.iter().map(|item| self.original(item)).collect(),
            Schema::Object(fields) => {
                let field =
                    |(name, field): (&String, &Schema)| (name.clone().into(), self.original(field));
                Value::obj(fields.iter().map(field).collect())
            }
        }
    }

    fn number(&self, number: &Number) -> Value {
        let stand_in = bits(number).and_then(|bits| self.stand_ins.get(&bits).cloned());
        stand_in.unwrap_or_else(|| pomost_expression::given(&number.to_string(), false))
    }

    fn collect_floats(&mut self, value: &Value) {
        match value {
            Value::Num(_) => self
                .taken
                .extend(exact_number(value).as_ref().and_then(bits)),
            Value::Arr(items) => items.iter().for_each(|item| self.collect_floats(item)),
            Value::Obj(fields) => fields.values().for_each(|field| self.collect_floats(field)),
            _ => {}
        }
    }

    fn with_stand_ins(&mut self, value: &Value) -> Schema {
        match value {
            Value::Num(_) => {
                Schema::Number(exact_number(value).unwrap_or_else(|| self.stand_in(value)))
            }
            Value::Arr(items) => items.iter().map(|item| self.with_stand_ins(item)).collect(),
            Value::Obj(fields) => {
                let field = |(name, field): (&Value, &Value)| {
                    (text(name).unwrap_or_default(), self.with_stand_ins(field))
                };
                fields.iter().map(field).collect()
            }
            other => to_json(other),
        }
    }

    /// A float with the same sign and about the same size that stands in for nothing else.
    fn stand_in(&mut self, value: &Value) -> Number {
        let nearest = text(value)
            .and_then(|text| text.parse().ok())
            .unwrap_or(f64::MAX);
        let mut size = nearest.abs().clamp(f64::from_bits(1), f64::MAX);
        let step = if size > 1.0 {
            f64::next_down
        } else {
            f64::next_up
        };
        let with_sign = |size: f64| {
            if text(value).is_some_and(|text| text.starts_with('-')) {
                -size
            } else {
                size
            }
        };
        while !self.taken.insert(with_sign(size).to_bits()) {
            size = step(size);
        }
        self.stand_ins
            .insert(with_sign(size).to_bits(), value.clone());
        // The size is finite and not zero, so there is always such a number.
        Number::from_f64(with_sign(size)).unwrap_or_else(|| 0.into())
    }
}

/// The number, where the validator can read it exactly.
fn exact_number(value: &Value) -> Option<Number> {
    let Schema::Number(number) = to_json(value) else {
        return None;
    };
    (ExactNumber::parse(&number.to_string()) == ExactNumber::of(value)).then_some(number)
}

/// The bits of a float. None for an integer.
fn bits(number: &Number) -> Option<u64> {
    number
        .as_f64()
        .filter(|_| number.is_f64())
        .map(f64::to_bits)
}
