//! The keywords about numbers (JSON Schema, validation, §6.1 and §6.2), with exact numbers.

use std::{cmp::Ordering, sync::Arc};

use jaq_json::Num;
use jsonschema::{Keyword, ValidationError, ValidationOptions, paths::Location};
use pomost_expression::{ExactNumber, Value, equal, text, write};
use serde_json::{Map, Value as Schema};

use super::{
    numbers::SchemaNumbers,
    records::{RecordJson, RecordNumber},
};

type ValidatorOptions<'a, R> = ValidationOptions<'a, R, RecordJson>;
type KeywordResult<'a> = Result<Box<dyn for<'i> Keyword<'i, RecordJson>>, ValidationError<'a>>;

/// Makes the validator compare numbers exactly.
pub(super) fn register<'a, R>(
    options: ValidatorOptions<'a, R>,
    numbers: SchemaNumbers,
) -> ValidatorOptions<'a, R> {
    let numbers = Arc::new(numbers);
    let options = BOUNDS.into_iter().fold(options, |options, bound| {
        let numbers = numbers.clone();
        options.with_keyword(
            bound.keyword,
            move |parent: &Map<String, Schema>, limit: &Schema, _: Location| {
                bound.keyword_of(parent, numbers.original(limit))
            },
        )
    });
    let (of, one, among) = (numbers.clone(), numbers.clone(), numbers.clone());
    let options = options.with_keyword(
        "multipleOf",
        move |_: &Map<String, Schema>, value: &Schema, _: Location| multiple(of.original(value)),
    );
    if !numbers.has_stand_ins() {
        return options;
    }
    options
        .with_keyword(
            "const",
            move |_: &Map<String, Schema>, value: &Schema, _: Location| {
                choice(vec![one.original(value)])
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
                        .map(|value| among.original(value))
                        .collect(),
                )
            },
        )
}

/// A keyword that bounds numbers.
#[derive(Clone, Copy)]
struct BoundKeyword {
    keyword: &'static str,
    /// The neighbouring keyword that makes the bound exclusive in draft 4.
    exclusive: Option<&'static str>,
    /// The side of the bound on which numbers are refused.
    refused: Ordering,
    /// The words of the error.
    violation: &'static str,
}

const BOUNDS: [BoundKeyword; 4] = [
    BoundKeyword {
        keyword: "minimum",
        exclusive: Some("exclusiveMinimum"),
        refused: Ordering::Less,
        violation: "less than the minimum",
    },
    BoundKeyword {
        keyword: "maximum",
        exclusive: Some("exclusiveMaximum"),
        refused: Ordering::Greater,
        violation: "greater than the maximum",
    },
    BoundKeyword {
        keyword: "exclusiveMinimum",
        exclusive: None,
        refused: Ordering::Less,
        violation: "less than or equal to the minimum",
    },
    BoundKeyword {
        keyword: "exclusiveMaximum",
        exclusive: None,
        refused: Ordering::Greater,
        violation: "greater than or equal to the maximum",
    },
];

impl BoundKeyword {
    fn keyword_of<'a>(self, parent: &Map<String, Schema>, limit: Value) -> KeywordResult<'a> {
        // In draft 4 the exclusive keywords are booleans, which bound nothing by themselves.
        let Some(exact) = ExactNumber::of(&limit) else {
            return Ok(Box::new(AlwaysValid));
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
        let message = format!("the value is {} of {written}", self.violation);
        Ok(Box::new(NumberBound {
            exact,
            small,
            refused: self.refused,
            is_exclusive,
            message,
        }))
    }
}

struct NumberBound {
    exact: ExactNumber,
    small: Option<isize>,
    refused: Ordering,
    is_exclusive: bool,
    message: String,
}

impl NumberBound {
    fn allows(&self, number: &Num) -> bool {
        let order = match (number, self.small) {
            (Num::Int(number), Some(limit)) => Some(number.cmp(&limit)),
            (number, _) => RecordNumber(number)
                .exact()
                .map(|number| number.cmp(&self.exact)),
        };
        order.is_some_and(|order| {
            order != self.refused && !(self.is_exclusive && order == Ordering::Equal)
        })
    }
}

impl<'i> Keyword<'i, RecordJson> for NumberBound {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        result(
            Keyword::<RecordJson>::is_valid(self, instance),
            &self.message,
        )
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Num(number) => self.allows(number),
            _ => true,
        }
    }
}

fn multiple<'a>(of: Value) -> KeywordResult<'a> {
    let is_multiple = ExactNumber::of(&of).and_then(|of| of.multiples());
    let is_multiple = is_multiple.ok_or_else(|| {
        ValidationError::schema("multipleOf has to be a number greater than 0 of at most 18 digits")
    })?;
    let message = format!(
        "the value is not a multiple of {}",
        text(&of).unwrap_or_default()
    );
    Ok(Box::new(MultipleOf {
        is_multiple,
        message,
    }))
}

struct MultipleOf<F> {
    is_multiple: F,
    message: String,
}

impl<'i, F: Fn(&ExactNumber) -> bool + Send + Sync> Keyword<'i, RecordJson> for MultipleOf<F> {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        result(
            Keyword::<RecordJson>::is_valid(self, instance),
            &self.message,
        )
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            Value::Num(number) => RecordNumber(number)
                .exact()
                .is_some_and(|number| (self.is_multiple)(&number)),
            _ => true,
        }
    }
}

fn choice<'a>(choices: Vec<Value>) -> KeywordResult<'a> {
    let written: Vec<String> = choices
        .iter()
        .filter_map(|choice| write(choice).ok())
        .collect();
    let message = format!("the value is none of {}", written.join(", "));
    Ok(Box::new(ExactChoice { choices, message }))
}

struct ExactChoice {
    choices: Vec<Value>,
    message: String,
}

impl<'i> Keyword<'i, RecordJson> for ExactChoice {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        result(
            Keyword::<RecordJson>::is_valid(self, instance),
            &self.message,
        )
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.choices.iter().any(|choice| equal(choice, instance))
    }
}

struct AlwaysValid;

impl<'i> Keyword<'i, RecordJson> for AlwaysValid {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        true
    }
}

fn result<'i>(is_valid: bool, message: &str) -> Result<(), ValidationError<'i>> {
    if is_valid {
        Ok(())
    } else {
        Err(ValidationError::custom(message))
    }
}
