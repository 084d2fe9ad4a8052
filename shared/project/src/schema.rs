//! JSON Schemas for records.

mod keywords;
mod numbers;
mod records;
#[cfg(test)]
mod tests;

use std::{fmt, fs, path::Path};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use numbers::SchemaNumbers;
use pomost_expression::{Value, read};
use records::RecordJson;

use crate::{Problem, document::Document};

/// A compiled JSON Schema for records. Numbers are compared by all their digits.
pub struct RecordSchema(Validator<RecordJson>);

/// The first violation of a schema in a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// The JSON pointer (RFC 6901) of the wrong field.
    pub pointer: String,
    /// The violation, without the field's value.
    pub message: String,
}

impl RecordSchema {
    /// Compiles a schema. References have to stay within it: nothing is fetched and no file is
    /// read.
    pub fn compile(schema: &Value) -> Result<RecordSchema, String> {
        compiled(schema).map_err(|error| not_a_schema(&error))
    }

    /// Reads and compiles a schema file of a project. References have to stay within it: nothing is
    /// fetched and no other file is read.
    pub(crate) fn read(directory: &Path, file: &Path) -> Result<RecordSchema, Problem> {
        let source = fs::read(directory.join(file))
            .map_err(|error| Problem::of_file(file, format!("cannot be read: {error}")))?;
        // The errors of serde_json say more than ours.
        serde_json::from_slice::<serde_json::Value>(&source)
            .map_err(|error| not_json(file, &error))?;
        let schema = read(&source).map_err(|error| Problem::of_file(file, error.to_string()))?;
        compiled(&schema).map_err(|error| {
            let pointer = error.instance_path().as_str();
            let message = format!("not a JSON Schema: {}", not_a_schema(&error));
            // JSON is YAML, so a document of it has the places of the values.
            Document::parse(file, &source).map_or_else(
                |_| Problem::of_file(file, &message),
                |document| document.problem(pointer, &message),
            )
        })
    }

    /// Checks a record against the schema.
    pub fn check(&self, record: &Value) -> Result<(), SchemaError> {
        if self.0.is_valid(record) {
            return Ok(());
        }
        self.0.validate(record).map_err(|error| SchemaError {
            pointer: error.instance_path().to_string(),
            message: error.masked_with("the value").to_string(),
        })
    }
}

fn compiled(schema: &Value) -> Result<RecordSchema, ValidationError<'static>> {
    let (schema, numbers) = SchemaNumbers::of(schema);
    keywords::register(jsonschema::options_for::<RecordJson>(), numbers)
        .build(&schema)
        .map(RecordSchema)
}

fn not_a_schema(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Referencing(_) => {
            "a $ref leads out of the file; put what it refers to under $defs and refer to \"#/$defs/…\""
                .into()
        }
        _ => error.to_string(),
    }
}

fn not_json(file: &Path, error: &serde_json::Error) -> Problem {
    let message = format!("not JSON: {error}");
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    Problem {
        line: error.line(),
        column: error.column(),
        ..Problem::of_file(file, message)
    }
}

impl fmt::Debug for RecordSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}
