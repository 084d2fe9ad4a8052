//! Making records of the rows of a page.

use pomost_expression::{EvaluationError, Expression, Value, Variables, text, write};
use pomost_models::{Op, Reason, Record, Version};
use pomost_project::{
    Flow,
    flow::{Deletions, Extract},
};
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

/// The longest key, in bytes: what the index of a database takes with room to spare.
const MAX_KEY: usize = 1024;

/// The longest record, in bytes. It travels beside what is mapped of it, and brokers take messages of
/// 16 MiB (RabbitMQ 4) at least.
const MAX_RECORD: usize = 4 * 1024 * 1024;

/// The record of a row. `order` is its version where the flow names none. The slot is the caller's
/// to set.
pub fn row(flow: &Flow, value: Value, order: Version, variables: &Variables) -> Result<Row, Box<Refused>> {
    let key = key(&flow.extract.key, "extract.key", &value, variables);
    made(value, key, order, |value| fields(&flow.extract, value, variables))
}

/// The deletion of a row that the source listed and does not have any more.
pub fn gone(flow: &Flow, value: Value, order: Version, variables: &Variables) -> Result<Row, Box<Refused>> {
    let key = key(&flow.extract.key, "extract.key", &value, variables);
    made(value, key, order, |_| Ok(Fields { version: None, op: Op::Delete, cursor: None }))
}

/// The deletion that a row of `extract.deletions` is.
pub fn deletion(
    deletions: &Deletions,
    value: Value,
    order: Version,
    variables: &Variables,
) -> Result<Row, Box<Refused>> {
    let key = key(&deletions.key, "extract.deletions.key", &value, variables);
    made(value, key, order, |value| {
        let version = deletions.version.as_ref();
        let version = version
            .map(|version| found_version("extract.deletions.version", version, value, variables))
            .transpose()?;
        Ok(Fields { version, op: Op::Delete, cursor: None })
    })
}

/// A row that is no record for another reason than itself.
pub fn refused(
    flow: &Flow,
    value: Value,
    order: Version,
    error: String,
    variables: &Variables,
) -> Box<Refused> {
    let key = key(&flow.extract.key, "extract.key", &value, variables).unwrap_or_default();
    let record = Record { slot: 0, key, version: order, op: Op::Upsert, data: data(&value).0, source: None };
    Box::new(Refused { record, diagnosis: Diagnosis { reason: Reason::Invalid, error, pointer: None } })
}

fn made(
    value: Value,
    key: Result<String, String>,
    order: Version,
    fields: impl FnOnce(&Value) -> Result<Fields, String>,
) -> Result<Row, Box<Refused>> {
    let (data, fits) = data(&value);
    let fields = key.as_ref().map_err(Clone::clone).and_then(|_| fields(&value));
    let key = key.unwrap_or_default();
    let record = Record { slot: 0, key, version: order, op: Op::Upsert, data, source: None };
    match fields.and_then(|fields| fits.map(|()| fields)) {
        Ok(fields) => Ok(Row {
            record: Record { version: fields.version.unwrap_or(record.version), op: fields.op, ..record },
            cursor: fields.cursor,
        }),
        Err(error) => {
            let diagnosis = Diagnosis { reason: Reason::Invalid, error, pointer: None };
            Err(Box::new(Refused { record, diagnosis }))
        }
    }
}

/// The JSON of a row, or null where it is too long or cannot be written; then also why.
fn data(value: &Value) -> (Box<RawValue>, Result<(), String>) {
    match raw(value) {
        Some(data) if data.get().len() <= MAX_RECORD => (data, Ok(())),
        Some(_) => {
            (RawValue::NULL.to_owned(), Err(format!("the record is longer than {} MiB", MAX_RECORD >> 20)))
        }
        None => (RawValue::NULL.to_owned(), Err("the record cannot be written as JSON".into())),
    }
}

struct Fields {
    version: Option<Version>,
    op: Op,
    cursor: Option<Version>,
}

fn fields(extract: &Extract, value: &Value, variables: &Variables) -> Result<Fields, String> {
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
        version: version("extract.version", extract.version.as_ref())?,
        op: if deleted { Op::Delete } else { Op::Upsert },
        cursor: version("extract.cursor.value", extract.cursor.as_ref().map(|cursor| &cursor.value))?,
    })
}

fn key(expression: &Expression, name: &str, value: &Value, variables: &Variables) -> Result<String, String> {
    let key = expression.one(value.clone(), variables).map_err(|error| failed(name, &error))?;
    key_text(&key).map_err(|problem| format!("{name} found {problem}"))
}

fn found_version(
    name: &str,
    expression: &Expression,
    value: &Value,
    variables: &Variables,
) -> Result<Version, String> {
    let found = expression.one(value.clone(), variables).map_err(|error| failed(name, &error))?;
    let text = text(&found).filter(|text| !text.is_empty());
    text.map(Version::new).ok_or_else(|| format!("{name} found neither a time, a number nor text"))
}

/// Keys of several fields, `[.shop, .number]`, are their JSON.
fn key_text(key: &Value) -> Result<String, String> {
    let found = match key {
        Value::Null => None,
        key => text(key).or_else(|| raw(key).map(|json| json.get().to_owned())).filter(|key| !key.is_empty()),
    };
    match found {
        None => Err("null; a record without a key cannot be told from others".into()),
        Some(key) if key.len() > MAX_KEY => Err(format!("a key longer than {MAX_KEY} bytes")),
        Some(key) => Ok(key),
    }
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    RawValue::from_string(write(value).ok()?).ok()
}

fn failed(name: &str, error: &EvaluationError) -> String {
    format!("{name}: {}", error.message)
}
