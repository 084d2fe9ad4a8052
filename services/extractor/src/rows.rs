//! Making records of the rows of a page.

use pomost_expression::{EvaluationError, Expression, Value, Variables, given, name, text, write};
use pomost_models::{DeadLetterReason, Operation, Record, Version, VersionType};
use pomost_project::{Flow, flow::DeletionRules, webhook::WebhookRules};
use pomost_runtime::dead::Diagnosis;
use serde_json::value::RawValue;

use crate::wall_clock::{self, WallClock};

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
    clock: WallClock<'a>,
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
            version: extract
                .version
                .as_ref()
                .map(|version| ("extract.version", version)),
            version_type: extract.version_type,
            clock: extract.timezone.as_ref().into(),
            deleted: extract
                .deleted
                .as_ref()
                .map(|deleted| ("extract.deleted", deleted)),
            cursor: extract
                .cursor_value()
                .map(|value| ("extract.cursor.value", value)),
        }
    }
}

impl<'a> Reading<'a> {
    /// How rows are read that a source delivers by itself. They do not move the cursor: how far the
    /// source has been read, they do not tell.
    pub fn of_webhook(flow: &'a Flow, webhook: &'a WebhookRules) -> Reading<'a> {
        let extract = Reading::from(flow);
        let version = webhook
            .version
            .as_ref()
            .map(|version| ("extract.webhook.version", version));
        let deleted = webhook
            .deleted
            .as_ref()
            .map(|deleted| ("extract.webhook.deleted", deleted));
        Reading {
            key: webhook
                .key
                .as_ref()
                .map_or(extract.key, |key| ("extract.webhook.key", key)),
            version: version.or(extract.version),
            version_type: extract.version_type,
            clock: extract.clock,
            deleted: deleted.or(extract.deleted),
            cursor: None,
        }
    }

    /// Whether one of the expressions uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        let others = [self.version, self.deleted, self.cursor]
            .into_iter()
            .flatten();
        std::iter::once(self.key)
            .chain(others)
            .any(|(_, expression)| expression.uses_variable(name))
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
    made(value, key, order, |_| {
        Ok(Fields {
            version: None,
            op: Operation::Delete,
            cursor: None,
        })
    })
}

/// The deletion that a row of `extract.deletions` is.
pub fn deletion(
    deletions: &DeletionRules,
    clock: WallClock<'_>,
    value: Value,
    order: Version,
    variables: &Variables,
) -> Result<Row, Box<Refused>> {
    let key = key(("extract.deletions.key", &deletions.key), &value, variables);
    made(value, key, order, |value| {
        let version = deletions
            .version
            .as_ref()
            .map(|version| ("extract.deletions.version", version));
        let version = found_version(version, deletions.version_type, clock, value, variables)?;
        Ok(Fields {
            version,
            op: Operation::Delete,
            cursor: None,
        })
    })
}

/// The record of a row that the source told and has yet to be asked about, with the headers it was told by
/// where those are needed for that. It has the key that can be read from it for now, if any, which may be another
/// record's: its dead letter has none.
pub fn told<'a>(
    reading: impl Into<Reading<'a>>,
    value: &Value,
    headers: &RawValue,
    order: Version,
    variables: &Variables,
) -> Result<Record, Box<Refused>> {
    let key = key(reading.into().key, value, variables).unwrap_or_default();
    let (row, fits) = data(value);
    let record = Record {
        slot: 0,
        key,
        version: order,
        op: Operation::Upsert,
        data: row,
        source: None,
    };
    match fits {
        Ok(()) => Ok(Record {
            source: Some(record.data),
            data: headers.to_owned(),
            ..record
        }),
        Err(error) => Err(invalid(record, error)),
    }
}

/// A row that the source refuses to say more about: as it was told, so that it can be asked about again.
pub fn refused<'a>(
    reading: impl Into<Reading<'a>>,
    value: &Value,
    order: Version,
    error: String,
    variables: &Variables,
) -> Box<Refused> {
    match told(reading, value, RawValue::NULL, order, variables) {
        Ok(record) => invalid(record, error),
        Err(refused) => refused,
    }
}

fn made(
    value: Value,
    key: Result<String, String>,
    order: Version,
    fields: impl FnOnce(&Value) -> Result<Fields, String>,
) -> Result<Row, Box<Refused>> {
    let (data, fits) = data(&value);
    let fields = key
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|_| fields(&value));
    let key = key.unwrap_or_default();
    let record = Record {
        slot: 0,
        key,
        version: order,
        op: Operation::Upsert,
        data,
        source: None,
    };
    match fields.and_then(|fields| fits.map(|()| fields)) {
        Ok(Fields {
            version,
            op,
            cursor,
        }) => {
            let version = match version {
                Some(version) => version.with_extraction_order(&record.version),
                None => record.version,
            };
            Ok(Row {
                record: Record {
                    version,
                    op,
                    ..record
                },
                cursor,
            })
        }
        Err(error) => Err(invalid(record, error)),
    }
}

fn invalid(record: Record, error: String) -> Box<Refused> {
    Box::new(Refused {
        record,
        diagnosis: Diagnosis {
            reason: DeadLetterReason::Invalid,
            error,
            pointer: None,
        },
    })
}

/// The JSON of a row, or null where it is too long or cannot be written; then also why.
fn data(value: &Value) -> (Box<RawValue>, Result<(), String>) {
    match raw(value) {
        Some(data) if data.get().len() <= MAX_RECORD => (data, Ok(())),
        Some(_) => (
            RawValue::NULL.to_owned(),
            Err(format!(
                "the record is longer than {} MiB",
                MAX_RECORD >> 20
            )),
        ),
        None => (
            RawValue::NULL.to_owned(),
            Err("the record cannot be written as JSON".into()),
        ),
    }
}

struct Fields {
    version: Option<Version>,
    op: Operation,
    cursor: Option<Version>,
}

fn fields(reading: Reading<'_>, value: &Value, variables: &Variables) -> Result<Fields, String> {
    let deleted = match reading.deleted {
        Some((place, deleted)) => deleted
            .truth(value.clone(), variables)
            .map_err(|error| failed(place, &error))?,
        None => false,
    };
    Ok(Fields {
        version: found_version(
            reading.version,
            reading.version_type,
            reading.clock,
            value,
            variables,
        )?,
        op: if deleted {
            Operation::Delete
        } else {
            Operation::Upsert
        },
        cursor: found_cursor(reading.cursor, value, variables)?,
    })
}

fn key((place, key): Placed<'_>, value: &Value, variables: &Variables) -> Result<String, String> {
    let key = key
        .one(value.clone(), variables)
        .map_err(|error| failed(place, &error))?;
    key_text(&key).map_err(|problem| format!("{place} found {problem}"))
}

/// A row without a version is ordered by when it was read, as all are where the flow names none.
fn found_version(
    version: Option<Placed<'_>>,
    expected: Option<VersionType>,
    clock: WallClock<'_>,
    value: &Value,
    variables: &Variables,
) -> Result<Option<Version>, String> {
    let Some(Found {
        place,
        expression,
        value,
        text,
    }) = found(version, value, variables)?
    else {
        return Ok(None);
    };
    let of_type = |expected| {
        let of_type = Version::of_type(&text, expected);
        of_type.ok_or_else(|| {
            format!(
                "{place} found something else than {}",
                VersionType::expected(expected)
            )
        })
    };
    match expected {
        Some(expected @ (VersionType::Number | VersionType::Text)) => of_type(expected).map(Some),
        None if looks_like_another(&value, &text) => Ok(Some(Version::new(text).marked_as_text())),
        Some(VersionType::Time) | None => {
            expected.map(of_type).transpose()?;
            let converted = expression
                .clock()
                .map(|zone| wall_clock::converted(&text, zone));
            Ok(Some(converted.unwrap_or_else(|| clock.version(&text))))
        }
    }
}

fn found_cursor(
    cursor: Option<Placed<'_>>,
    value: &Value,
    variables: &Variables,
) -> Result<Option<Version>, String> {
    let found = found(cursor, value, variables)?;
    Ok(found.map(
        |Found { value, text, .. }| match looks_like_another(&value, &text) {
            true => Version::new(text).marked_as_text(),
            false => Version::new(text),
        },
    ))
}

/// A time, a number or text that an expression found.
struct Found<'a> {
    place: &'static str,
    expression: &'a Expression,
    value: Value,
    text: String,
}

/// None where the expression finds null, or a text of nothing.
fn found<'a>(
    wanted: Option<Placed<'a>>,
    value: &Value,
    variables: &Variables,
) -> Result<Option<Found<'a>>, String> {
    let Some((place, expression)) = wanted else {
        return Ok(None);
    };
    let value = expression
        .one(value.clone(), variables)
        .map_err(|error| failed(place, &error))?;
    match (&value, text(&value)) {
        (Value::Null, _) => Ok(None),
        (_, Some(text)) if text.is_empty() => Ok(None),
        (_, Some(text)) => Ok(Some(Found {
            place,
            expression,
            value,
            text,
        })),
        (_, None) => Err(format!(
            "{place} found something else than a time, a number or text"
        )),
    }
}

/// Whether a source gave as text what looks like a number: it is ordered as that, and is text in expressions.
fn looks_like_another(value: &Value, text: &str) -> bool {
    matches!(value, Value::TStr(_)) && matches!(given(text, false), Value::Num(_))
}

/// Keys of several fields, `[.shop, .number]`, are their JSON. `1`, `1.0` and `1e0` are one key.
fn key_text(key: &Value) -> Result<String, String> {
    match name(key).filter(|key| !key.is_empty()) {
        None if matches!(key, Value::Num(_)) => Err("a number beyond all bounds".into()),
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
