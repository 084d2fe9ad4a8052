//! Making records of the rows of a page.

use pomost_expression::{EvaluationError, Expression, Value, Variables, text, write};
use pomost_models::{Op, Reason, Record, Version};
use pomost_project::{Flow, webhook::Webhook};
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

/// The expressions that a row is read by.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    key: &'a Expression,
    version: Option<&'a Expression>,
    deleted: Option<&'a Expression>,
    cursor: Option<&'a Expression>,
}

impl<'a> From<&'a Flow> for Reading<'a> {
    fn from(flow: &'a Flow) -> Reading<'a> {
        let extract = &flow.extract;
        Reading {
            key: &extract.key,
            version: extract.version.as_ref(),
            deleted: extract.deleted.as_ref(),
            cursor: extract.cursor.as_ref().map(|cursor| &cursor.value),
        }
    }
}

impl<'a> Reading<'a> {
    /// How rows are read that a source delivers by itself. They do not move the cursor: how far the
    /// source has been read, they do not tell.
    pub fn of_webhook(flow: &'a Flow, webhook: &'a Webhook) -> Reading<'a> {
        let extract = Reading::from(flow);
        Reading {
            key: webhook.key.as_ref().unwrap_or(extract.key),
            version: webhook.version.as_ref().or(extract.version),
            deleted: webhook.deleted.as_ref().or(extract.deleted),
            cursor: None,
        }
    }

    /// Whether one of the expressions uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        let others = [self.version, self.deleted, self.cursor].into_iter().flatten();
        std::iter::once(self.key).chain(others).any(|expression| expression.uses_variable(name))
    }
}

/// The record of a row. `order` is its version where the flow names none. The slot is the caller's
/// to set.
pub fn row<'a>(
    reading: impl Into<Reading<'a>>,
    value: Value,
    order: Version,
    variables: &Variables,
) -> Result<Row, Box<Refused>> {
    let reading = reading.into();
    let key = key(reading, &value, variables);
    let (data, fits) = data(&value);
    let fields = key.as_ref().map_err(Clone::clone).and_then(|_| fields(reading, &value, variables));
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

fn fields(reading: Reading<'_>, value: &Value, variables: &Variables) -> Result<Fields, String> {
    let deleted = match reading.deleted {
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
        version: version("extract.version", reading.version)?,
        op: if deleted { Op::Delete } else { Op::Upsert },
        cursor: version("extract.cursor.value", reading.cursor)?,
    })
}

fn key(reading: Reading<'_>, value: &Value, variables: &Variables) -> Result<String, String> {
    let key = reading.key.one(value.clone(), variables).map_err(|error| failed("extract.key", &error))?;
    key_text(&key)
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
    let key = found.ok_or("extract.key found null; a record without a key cannot be told from others")?;
    if key.len() > MAX_KEY {
        return Err(format!("extract.key found a key longer than {MAX_KEY} bytes"));
    }
    Ok(key)
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    RawValue::from_string(write(value).ok()?).ok()
}

fn failed(name: &str, error: &EvaluationError) -> String {
    format!("{name}: {}", error.message)
}
