//! The keywords about numbers (JSON Schema, validation, §6.1 and §6.2), with exact numbers.

use std::{cmp::Ordering, sync::Arc};

use jaq_json::Num;
use jsonschema::{Keyword, ValidationError, ValidationOptions, paths::Location};
use pomost_expression::{ExactNumber, Value, equal, text, write};
use serde_json::{Map, Value as Schema};

use super::{
    numbers::Numbers,
    records::{Number, Records},
};

type Options<'a, R> = ValidationOptions<'a, R, Records>;
type Made<'a> = Result<Box<dyn for<'i> Keyword<'i, Records>>, ValidationError<'a>>;

/// Makes the validator compare numbers exactly.
pub(super) fn register<'a, R>(options: Options<'a, R>, numbers: Numbers) -> Options<'a, R> {
    let numbers = Arc::new(numbers);
    let options = BOUNDS.into_iter().fold(options, |options, bound| {
        let numbers = numbers.clone();
        options.with_keyword(
            bound.keyword,
            move |parent: &Map<String, Schema>, limit: &Schema, _: Location| {
                bound.made(parent, numbers.written(limit))
            },
        )
    });
    let (of, one, among) = (numbers.clone(), numbers.clone(), numbers.clone());
    let options = options.with_keyword(
        "multipleOf",
        move |_: &Map<String, Schema>, value: &Schema, _: Location| multiple(of.written(value)),
    );
    if !numbers.has_stand_ins() {
        return options;
    }
    options
        .with_keyword(
            "const",
            move |_: &Map<String, Schema>, value: &Schema, _: Location| {
                choice(vec![one.written(value)])
            },
        )
        .with_keyword(
            "enum",
            move |_: &Map<String, Schema>, values: &Schema, _: Location| {
                choice(
                    values
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|value| among.written(value))
                        .collect(),
                )
            },
        )
}

/// A keyword that bounds numbers.
#[derive(Clone, Copy)]
struct Bound {
    keyword: &'static str,
    /// The neighbouring keyword that makes the bound exclusive in draft 4.
    exclusive: Option<&'static str>,
    /// The side of the bound on which numbers are refused.
    refused: Ordering,
    /// The words of the error.
    is: &'static str,
}

const BOUNDS: [Bound; 4] = [
    Bound {
        keyword: "minimum",
        exclusive: Some("exclusiveMinimum"),
        refused: Ordering::Less,
        is: "less than the minimum",
    },
    Bound {
        keyword: "maximum",
        exclusive: Some("exclusiveMaximum"),
        refused: Ordering::Greater,
        is: "greater than the maximum",
    },
    Bound {
        keyword: "exclusiveMinimum",
        exclusive: None,
        refused: Ordering::Less,
        is: "less than or equal to the minimum",
    },
    Bound {
        keyword: "exclusiveMaximum",
        exclusive: None,
        refused: Ordering::Greater,
        is: "greater than or equal to the maximum",
    },
];

impl Bound {
    fn made<'a>(self, parent: &Map<String, Schema>, limit: Value) -> Made<'a> {
        // In draft 4 the exclusive ones are true or false.
        let Some(exact) = ExactNumber::of(&limit) else {
            return Ok(Box::new(Always));
        };
        let is_exclusive = match self.exclusive {
            Some(beside) => parent.get(beside) == Some(&Schema::Bool(true)),
            None => true,
        };
        let small = match limit {
            Value::Num(Num::Int(limit)) => Some(limit),
            _ => None,
        };
        let written = text(&limit).unwrap_or_default();
        let message = format!("the value is {} of {written}", self.is);
        Ok(Box::new(Limit {
            exact,
            small,
            refused: self.refused,
            is_exclusive,
            message,
        }))
    }
}

struct Limit {
    exact: ExactNumber,
    small: Option<isize>,
    refused: Ordering,
    is_exclusive: bool,
    message: String,
}

impl Limit {
    fn allows(&self, number: &Num) -> bool {
        let order = match (number, self.small) {
            (Num::Int(number), Some(limit)) => Some(number.cmp(&limit)),
            (number, _) => Number(number).exact().map(|number| number.cmp(&self.exact)),
        };
        order.is_some_and(|order| {
            order != self.refused && !(self.is_exclusive && order == Ordering::Equal)
        })
    }
}

impl<'i> Keyword<'i, Records> for Limit {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        said(Keyword::<Records>::is_valid(self, instance), &self.message)
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Num(number) => self.allows(number),
            _ => true,
        }
    }
}

fn multiple<'a>(of: Value) -> Made<'a> {
    let is_multiple = ExactNumber::of(&of).and_then(|of| of.multiples());
    let is_multiple = is_multiple.ok_or_else(|| {
        ValidationError::schema("multipleOf has to be a number greater than 0 of at most 18 digits")
    })?;
    let message = format!(
        "the value is not a multiple of {}",
        text(&of).unwrap_or_default()
    );
    Ok(Box::new(Multiple {
        is_multiple,
        message,
    }))
}

struct Multiple<F> {
    is_multiple: F,
    message: String,
}

impl<'i, F: Fn(&ExactNumber) -> bool + Send + Sync> Keyword<'i, Records> for Multiple<F> {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        said(Keyword::<Records>::is_valid(self, instance), &self.message)
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Num(number) => Number(number)
                .exact()
                .is_some_and(|number| (self.is_multiple)(&number)),
            _ => true,
        }
    }
}

fn choice<'a>(choices: Vec<Value>) -> Made<'a> {
    let written: Vec<String> = choices
        .iter()
        .filter_map(|choice| write(choice).ok())
        .collect();
    let message = format!("the value is none of {}", written.join(", "));
    Ok(Box::new(Choice { choices, message }))
}

struct Choice {
    choices: Vec<Value>,
    message: String,
}

impl<'i> Keyword<'i, Records> for Choice {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        said(Keyword::<Records>::is_valid(self, instance), &self.message)
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.choices.iter().any(|choice| equal(choice, instance))
    }
}

struct Always;

impl<'i> Keyword<'i, Records> for Always {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        true
    }
}

fn said<'i>(is_valid: bool, message: &str) -> Result<(), ValidationError<'i>> {
    if is_valid {
        Ok(())
    } else {
        Err(ValidationError::custom(message))
    }
}
