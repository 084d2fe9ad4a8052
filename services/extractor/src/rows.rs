//! Making records of the rows of a page.

use pomost_expression::{EvaluationError, Expression, Value, Variables, text, write};
use pomost_models::{Op, Reason, Record, Version};
use pomost_project::{Flow, flow::Extract};
use pomost_runtime::dead::Diagnosis;
use serde_json::value::RawValue;

/// What one row of a source is.
#[derive(Debug)]
pub struct Row {
    /// The record.
    pub record: Record,
    /// How far the source has been read with it.
    pub cursor: Option<Version>,
}

/// A row that is no record of its flow.
#[derive(Debug)]
pub struct Refused {
    /// What there is of the record: its data, and its key where it has one.
    pub record: Record,
    /// Why.
    pub diagnosis: Diagnosis,
}

/// The record of a row. `order` is its version where the flow names none. The slot is the caller's
/// to set.
pub fn row(flow: &Flow, value: Value, order: Version, variables: &Variables) -> Result<Row, Box<Refused>> {
    let data = raw(&value).unwrap_or_else(|| RawValue::NULL.to_owned());
    let record = Record { slot: 0, key: String::new(), version: order, op: Op::Upsert, data, source: None };
    match fields(&flow.extract, &value, variables) {
        Ok(fields) => Ok(Row {
            record: Record {
                key: fields.key,
                version: fields.version.unwrap_or(record.version),
                op: fields.op,
                ..record
            },
            cursor: fields.cursor,
        }),
        Err(error) => {
            let diagnosis = Diagnosis { reason: Reason::Invalid, error, pointer: None };
            Err(Box::new(Refused { record, diagnosis }))
        }
    }
}

struct Fields {
    key: String,
    version: Option<Version>,
    op: Op,
    cursor: Option<Version>,
}

fn fields(extract: &Extract, value: &Value, variables: &Variables) -> Result<Fields, String> {
    let key = match extract.key.one(value.clone(), variables) {
        Ok(key) => key_text(&key)
            .ok_or("extract.key found null; a record without a key cannot be told from others")?,
        Err(error) => return Err(failed("extract.key", &error)),
    };
    let deleted = match &extract.deleted {
        Some(deleted) => {
            deleted.truth(value.clone(), variables).map_err(|error| failed("extract.deleted", &error))?
        }
        None => false,
    };
    let version = |name, expression: Option<&Expression>| match expression {
        Some(expression) => found_version(name, expression, value, variables).map(Some),
        None => Ok(None),
    };
    Ok(Fields {
        key,
        version: version("extract.version", extract.version.as_ref())?,
        op: if deleted { Op::Delete } else { Op::Upsert },
        cursor: version("extract.cursor.value", extract.cursor.as_ref().map(|cursor| &cursor.value))?,
    })
}

fn found_version(
    name: &str,
    expression: &Expression,
    value: &Value,
    variables: &Variables,
) -> Result<Version, String> {
    let found = expression.one(value.clone(), variables).map_err(|error| failed(name, &error))?;
    text(&found).map(Version::new).ok_or_else(|| format!("{name} found neither a time, a number nor text"))
}

/// Keys of several fields, `[.shop, .number]`, are their JSON.
fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::Null => None,
        key => text(key).or_else(|| raw(key).map(|json| json.get().to_owned())).filter(|key| !key.is_empty()),
    }
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    RawValue::from_string(write(value).ok()?).ok()
}

fn failed(name: &str, error: &EvaluationError) -> String {
    format!("{name}: {}", error.message)
}
