//! The JSON Schemas of a project's files, made from the types that read them, and checks of files
//! against them.

use std::sync::LazyLock;

use jsonschema::{Validator, error::ValidationErrorKind};
use pomost_models::{alerts::AlertsFile, flow::FlowFile, system::SystemFile};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{Problem, document::Document};

/// The JSON Schema of `systems/*.yaml`.
pub fn system_schema() -> Value {
    of::<SystemFile>()
}

/// The JSON Schema of `flows/*.yaml`.
pub fn flow_schema() -> Value {
    of::<FlowFile>()
}

/// The JSON Schema of `alerts.yaml`.
pub fn alerts_schema() -> Value {
    of::<AlertsFile>()
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
            None => format!("here may stand {}", known.join(", ")),
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
            "a number, which quotes make text"
        }
        Some(Value::Number(_)) => "another number",
        Some(Value::String(_)) => "text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "fields",
    }
}

fn of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    simplify(&mut schema);
    schema
}

/// Simplifies a schema without changing its meaning, for the completion in editors and for errors
/// that name one thing. An optional value may be left out but not be null, a choice of single
/// fields is an object with exactly one of them, and an object has only the fields that it names.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            without_null(object);
            merge_choice(object);
            if object.contains_key("properties") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            object.values_mut().for_each(simplify);
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn without_null(object: &mut Map<String, Value>) {
    object.retain(|name, value| !(name == "default" && value.is_null()));
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (name, value) in only {
            object.entry(name).or_insert(value);
        }
    }
}

fn merge_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else {
        return;
    };
    let single = |choice: &Value| {
        let properties = choice.get("properties")?.as_object()?;
        (properties.len() == 1).then(|| properties.clone())
    };
    let Some(fields) = choices
        .iter()
        .map(|choice| Some((single(choice)?, choice)))
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let mut properties = Map::new();
    for (mut field, choice) in fields {
        if let (Some(description), Some(Value::Object(value))) =
            (choice.get("description"), field.values_mut().next())
        {
            value.insert("description".into(), description.clone());
        }
        properties.append(&mut field);
    }
    object.remove("oneOf");
    object.insert("type".into(), json!("object"));
    object.insert("properties".into(), Value::Object(properties));
    object.insert("minProperties".into(), json!(1));
    object.insert("maxProperties".into(), json!(1));
}
