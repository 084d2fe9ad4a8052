//! JSON Schemas that records must satisfy.

use std::fmt;

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use pomost_expression::{Value, to_json};

/// A compiled JSON Schema.
pub struct Schema(Validator);

/// The first way in which a record does not satisfy a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaError {
    /// The JSON pointer (RFC 6901) of the field at fault.
    pub pointer: String,
    /// What is wrong with it, without its value.
    pub message: String,
}

impl Schema {
    /// Compiles a schema. References lead within it: nothing is fetched and no file is read.
    pub fn compile(schema: &serde_json::Value) -> Result<Schema, String> {
        jsonschema::validator_for(schema).map(Schema).map_err(|error| not_a_schema(&error))
    }

    /// Whether a record satisfies the schema.
    pub fn check(&self, record: &Value) -> Result<(), SchemaError> {
        let record = to_json(record);
        if self.0.is_valid(&record) {
            return Ok(());
        }
        self.0.validate(&record).map_err(|error| SchemaError {
            pointer: error.instance_path().to_string(),
            message: error.masked_with("the value").to_string(),
        })
    }
}

fn not_a_schema(error: &ValidationError<'_>) -> String {
    match (error.kind(), error.instance_path().as_str()) {
        (ValidationErrorKind::Referencing(_), _) => {
            "a $ref leads out of the file; put what it refers to under $defs and refer to \"#/$defs/…\""
                .into()
        }
        (_, "") => error.to_string(),
        (_, pointer) => format!("at {pointer}: {error}"),
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}
