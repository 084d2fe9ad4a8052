//! The JSON Schemas of a project's files, made from the types that read them, and checks of files
//! against them.

mod simplified;

use std::sync::LazyLock;

use jsonschema::{Validator, error::ValidationErrorKind};
use pomost_models::{alerts::AlertsFile, flow::FlowFile, system::SystemFile};
use serde_json::{Value, json};

use self::simplified::schema_of;
use crate::{Problem, document::Document};

/// The JSON Schema of `systems/*.yaml`.
pub fn system_schema() -> Value {
    schema_of::<SystemFile>()
}

/// The JSON Schema of `flows/*.yaml`.
pub fn flow_schema() -> Value {
    schema_of::<FlowFile>()
}

/// The JSON Schema of `alerts.yaml`.
pub fn alerts_schema() -> Value {
    schema_of::<AlertsFile>()
}

/// A JSON Schema, and its compiled form.
pub(crate) struct FileSchema {
    schema: Value,
    validator: Option<Validator>,
}

pub(crate) static SYSTEM: LazyLock<FileSchema> = LazyLock::new(|| FileSchema::new(system_schema()));
pub(crate) static FLOW: LazyLock<FileSchema> = LazyLock::new(|| FileSchema::new(flow_schema()));
pub(crate) static ALERTS: LazyLock<FileSchema> = LazyLock::new(|| FileSchema::new(alerts_schema()));

impl FileSchema {
    fn new(schema: Value) -> FileSchema {
        let validator = jsonschema::validator_for(&schema).ok();
        FileSchema { schema, validator }
    }

    /// All violations of the schema in a file.
    pub(crate) fn problems(&self, document: &Document) -> Vec<Problem> {
        let Some(validator) = &self.validator else {
            return Vec::new();
        };
        let errors = validator.iter_errors(&document.value);
        errors
            .flat_map(|error| self.of_error(document, error.instance_path().as_str(), error.kind()))
            .collect()
    }

    /// The texts of a file that have to be jq, with their JSON pointers.
    pub(crate) fn expressions<'d>(&self, document: &'d Document) -> Vec<(String, &'d str)> {
        let mut found = Vec::new();
        self.collect(String::new(), &document.value, &mut found);
        found
    }

    fn collect<'d>(&self, pointer: String, value: &'d Value, found: &mut Vec<(String, &'d str)>) {
        let below = |name: &dyn std::fmt::Display| format!("{pointer}/{name}");
        match value {
            Value::Object(fields) => {
                fields
                    .iter()
                    .for_each(|(name, field)| self.collect(below(name), field, found));
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(number, item)| self.collect(below(&number), item, found));
            }
            Value::String(text) if self.at(&pointer).get("format") == Some(&json!("jq")) => {
                found.push((pointer, text));
            }
            _ => {}
        }
    }

    fn of_error(
        &self,
        document: &Document,
        pointer: &str,
        kind: &ValidationErrorKind,
    ) -> Vec<Problem> {
        match kind {
            ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
                .iter()
                .map(|name| self.unknown(document, pointer, name))
                .collect(),
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let message = format!(
                    "'{name}' is missing{}",
                    self.description(&format!("{pointer}/{name}"))
                );
                vec![document.problem_with_key(pointer, message)]
            }
            ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MaxProperties { .. } => {
                let one_of = format!("expected exactly one of {}", self.names(pointer).join(", "));
                vec![document.problem_with_key(pointer, one_of)]
            }
            ValidationErrorKind::Type { .. } => {
                let found = found(document.value.pointer(pointer), self.at(pointer));
                vec![document.problem(
                    pointer,
                    format!("{}; found {found}", self.expected(pointer)),
                )]
            }
            _ => vec![document.problem(pointer, self.expected(pointer))],
        }
    }

    fn unknown(&self, document: &Document, pointer: &str, name: &str) -> Problem {
        let known = self.names(pointer);
        let likely = |known: &&String| (strsim::damerau_levenshtein(name, known), known.len());
        let nearest = known
            .iter()
            .min_by_key(likely)
            .filter(|known| strsim::jaro_winkler(name, known) > 0.8);
        let help = match nearest {
            Some(nearest) => format!("did you mean '{nearest}'?"),
            None => format!("allowed here: {}", known.join(", ")),
        };
        let problem = document.problem_with_key(
            &format!("{pointer}/{name}"),
            format!("'{name}' is not known here"),
        );
        Problem {
            help: Some(help),
            ..problem
        }
    }

    /// The expected value, in the words that editors show as well.
    fn expected(&self, pointer: &str) -> String {
        let schema = self.at(pointer);
        if let Some(words) = schema.get("patternErrorMessage").and_then(Value::as_str) {
            return words.to_owned();
        }
        let bound = |name: &str, word: &str| {
            schema
                .get(name)
                .map(|bound| format!(", {word} {bound}"))
                .unwrap_or_default()
        };
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => format!("expected fields: {}", self.names(pointer).join(", ")),
            Some("array") => "expected a list".into(),
            Some("integer") => {
                format!(
                    "expected a whole number{}{}",
                    bound("minimum", "at least"),
                    bound("maximum", "at most")
                )
            }
            Some("boolean") => "expected true or false".into(),
            _ => words(schema).map_or("expected text".into(), |words| {
                format!("expected one of {words}")
            }),
        }
    }

    /// The description of a field, after a colon.
    fn description(&self, pointer: &str) -> String {
        let description = self.at(pointer).get("description").and_then(Value::as_str);
        description
            .map(|text| format!(": {}", text.replace('\n', " ")))
            .unwrap_or_default()
    }

    fn names(&self, pointer: &str) -> Vec<String> {
        let properties = self
            .at(pointer)
            .get("properties")
            .and_then(Value::as_object);
        properties
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The part of the schema for the value at a pointer.
    fn at(&self, pointer: &str) -> &Value {
        pointer
            .split('/')
            .skip(1)
            .fold(&self.schema, |schema, name| {
                let property = schema
                    .get("properties")
                    .and_then(|properties| properties.get(name));
                let any = || {
                    schema
                        .get("items")
                        .or_else(|| schema.get("additionalProperties"))
                };
                property.or_else(any).unwrap_or(&Value::Null)
            })
    }
}

/// The words of a choice of words.
fn words(schema: &Value) -> Option<String> {
    let choices = schema.get("oneOf")?.as_array()?;
    let words: Vec<&str> = choices
        .iter()
        .filter_map(|choice| choice.get("const")?.as_str())
        .collect();
    Some(words.join(", "))
}

fn found(value: Option<&Value>, schema: &Value) -> &'static str {
    match value {
        None | Some(Value::Null) => "nothing",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) if schema.get("type") == Some(&json!("string")) => {
            "a number; put it in quotes to make it text"
        }
        Some(Value::Number(_)) => "another number",
        Some(Value::String(_)) => "text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "fields",
    }
}
