//! Making records of the rows of a page.

use pomost_expression::{EvaluationError, Expression, Value, Variables, text, write};
use pomost_models::{Op, Reason, Record, Version, VersionType};
use pomost_project::{Flow, flow::Deletions, webhook::Webhook};
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

/// The expressions by which a row is read, each with its place in the flow.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    key: Placed<'a>,
    version: Option<Placed<'a>>,
    version_type: Option<VersionType>,
    deleted: Option<Placed<'a>>,
    cursor: Option<Placed<'a>>,
}

/// An expression and its place in the flow, which errors name.
type Placed<'a> = (&'static str, &'a Expression);

impl<'a> From<&'a Flow> for Reading<'a> {
    fn from(flow: &'a Flow) -> Reading<'a> {
        let extract = &flow.extract;
        Reading {
            key: ("extract.key", &extract.key),
            version: extract.version.as_ref().map(|version| ("extract.version", version)),
            version_type: extract.version_type,
            deleted: extract.deleted.as_ref().map(|deleted| ("extract.deleted", deleted)),
            cursor: extract.cursor.as_ref().map(|cursor| ("extract.cursor.value", &cursor.value)),
        }
    }
}

impl<'a> Reading<'a> {
    /// How rows are read that a source delivers by itself. They do not move the cursor: how far the
    /// source has been read, they do not tell.
    pub fn of_webhook(flow: &'a Flow, webhook: &'a Webhook) -> Reading<'a> {
        let extract = Reading::from(flow);
        let version = webhook.version.as_ref().map(|version| ("extract.webhook.version", version));
        let deleted = webhook.deleted.as_ref().map(|deleted| ("extract.webhook.deleted", deleted));
        Reading {
            key: webhook.key.as_ref().map_or(extract.key, |key| ("extract.webhook.key", key)),
            version: version.or(extract.version),
            version_type: extract.version_type,
            deleted: deleted.or(extract.deleted),
            cursor: None,
        }
    }

    /// Whether one of the expressions uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        let others = [self.version, self.deleted, self.cursor].into_iter().flatten();
        std::iter::once(self.key).chain(others).any(|(_, expression)| expression.uses_variable(name))
    }
}

/// The record of a row. `order` is its place in the order of extraction, which is its version where the flow
/// names none. The slot is the caller's to set.
pub fn row<'a>(
    reading: impl Into<Reading<'a>>,
    value: Value,
    order: Version,
    variables: &Variables,
) -> Result<Row, Box<Refused>> {
    let reading = reading.into();
    let key = key(reading.key, &value, variables);
    made(value, key, order, |value| fields(reading, value, variables))
}

/// The deletion of a row that the source listed and does not have any more.
pub fn gone<'a>(
    reading: impl Into<Reading<'a>>,
    value: Value,
    order: Version,
    variables: &Variables,
) -> Result<Row, Box<Refused>> {
    let key = key(reading.into().key, &value, variables);
    made(value, key, order, |_| Ok(Fields { version: None, op: Op::Delete, cursor: None }))
}

/// The deletion that a row of `extract.deletions` is.
pub fn deletion(
    deletions: &Deletions,
    value: Value,
    order: Version,
    variables: &Variables,
) -> Result<Row, Box<Refused>> {
    let key = key(("extract.deletions.key", &deletions.key), &value, variables);
    made(value, key, order, |value| {
        let version = deletions.version.as_ref().map(|version| ("extract.deletions.version", version));
        let version = found_version(version, deletions.version_type, value, variables)?;
        Ok(Fields { version, op: Op::Delete, cursor: None })
    })
}

/// A row that is no record for another reason than itself.
pub fn refused<'a>(
    reading: impl Into<Reading<'a>>,
    value: Value,
    order: Version,
    error: String,
    variables: &Variables,
) -> Box<Refused> {
    let key = key(reading.into().key, &value, variables).unwrap_or_default();
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
        Ok(Fields { version, op, cursor }) => {
            let version = match version {
                Some(version) => version.extracted(&record.version),
                None => record.version,
            };
            Ok(Row { record: Record { version, op, ..record }, cursor })
        }
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
        Some((place, deleted)) => {
            deleted.truth(value.clone(), variables).map_err(|error| failed(place, &error))?
        }
        None => false,
    };
    Ok(Fields {
        version: found_version(reading.version, reading.version_type, value, variables)?,
        op: if deleted { Op::Delete } else { Op::Upsert },
        cursor: found_version(reading.cursor, None, value, variables)?,
    })
}

fn key((place, key): Placed<'_>, value: &Value, variables: &Variables) -> Result<String, String> {
    let key = key.one(value.clone(), variables).map_err(|error| failed(place, &error))?;
    key_text(&key).map_err(|problem| format!("{place} found {problem}"))
}

fn found_version(
    version: Option<Placed<'_>>,
    expected: Option<VersionType>,
    value: &Value,
    variables: &Variables,
) -> Result<Option<Version>, String> {
    let Some((place, version)) = version else { return Ok(None) };
    let found = version.one(value.clone(), variables).map_err(|error| failed(place, &error))?;
    let text = text(&found).filter(|text| !text.is_empty());
    let version = text.and_then(|text| match expected {
        Some(expected) => Version::of_type(&text, expected),
        None => Some(Version::new(text)),
    });
    let expected = expected.map_or("a time, a number or text", VersionType::expected);
    version.map(Some).ok_or_else(|| format!("{place} found something else than {expected}"))
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
    format!("{name}: {error}")
}
