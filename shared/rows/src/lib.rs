//! The records that a source's rows make, as pure functions of the row and its flow.
//!
//! [`RowRules`] are the flow's expressions, `fields` evaluates them on a row. A row that is no
//! record of its flow is a [`RefusedRow`], and its neighbours go on without it.

pub mod cursor;
mod fields;
mod rules;

use pomost_expression::{Value, Variables, write};
use pomost_models::{Diagnosis, Operation, Record, Version};
use pomost_project::flow::DeletionRules;
use serde_json::value::RawValue;

use cursor::WallClock;
use fields::RecordFields;
pub use rules::{RowRules, fetch_of, fetch_of_webhook};

/// Length limit of a record, in bytes. It travels beside the record that is mapped from it, and
/// brokers take messages of at least 16 MiB (RabbitMQ 4).
const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// A record, and the value of the cursor in its row.
#[derive(Debug)]
pub struct ExtractedRow {
    pub record: Record,
    pub cursor: Option<Version>,
}

/// A row that is no record of its flow.
#[derive(Debug)]
pub struct RefusedRow {
    /// The row's data, and its key where it has one.
    pub record: Record,
    pub diagnosis: Diagnosis,
}

/// Makes the record of a row. `order` is the row's place in the order of extraction, which is the
/// record's version where the flow names none. The caller sets the slot.
pub fn read_row<'a>(
    rules: impl Into<RowRules<'a>>,
    row: Value,
    order: Version,
    variables: &Variables,
) -> Result<ExtractedRow, Box<RefusedRow>> {
    let rules = rules.into();
    let key = fields::read_key(rules.key, &row, variables);
    extracted(row, key, order, |row| {
        RecordFields::read(rules, row, variables)
    })
}

/// Makes the deletion of a row that the source listed and does not have any more.
pub fn read_gone_row<'a>(
    rules: impl Into<RowRules<'a>>,
    row: Value,
    order: Version,
    variables: &Variables,
) -> Result<ExtractedRow, Box<RefusedRow>> {
    let key = fields::read_key(rules.into().key, &row, variables);
    extracted(row, key, order, |_| Ok(RecordFields::of_deletion(None)))
}

/// Makes the deletion that a row of `extract.deletions` stands for.
pub fn read_deletion(
    deletions: &DeletionRules,
    clock: WallClock<'_>,
    row: Value,
    order: Version,
    variables: &Variables,
) -> Result<ExtractedRow, Box<RefusedRow>> {
    let key = fields::read_key(("extract.deletions.key", &deletions.key), &row, variables);
    extracted(row, key, order, |row| {
        let rule = rules::placed("extract.deletions.version", deletions.version.as_ref());
        let version = fields::read_version(rule, deletions.version_type, clock, row, variables)?;
        Ok(RecordFields::of_deletion(version))
    })
}

/// Makes the record of a row that awaits its fetch, with the headers that the fetch needs. Its key
/// is read from the row as it was delivered, if that is possible, and may be another record's: so
/// its dead letter has none.
pub fn read_unfetched_row<'a>(
    rules: impl Into<RowRules<'a>>,
    row: &Value,
    headers: &RawValue,
    order: Version,
    variables: &Variables,
) -> Result<Record, Box<RefusedRow>> {
    let key = fields::read_key(rules.into().key, row, variables).unwrap_or_default();
    let (row, fits) = row_json(row);
    let record = new_record(key, order, row);
    match fits {
        Ok(()) => Ok(Record {
            source: Some(record.data),
            data: headers.to_owned(),
            ..record
        }),
        Err(error) => Err(refused(record, error)),
    }
}

/// Refuses a listed row that the source would not give, and keeps it as it was listed, so that the
/// source can be asked about it again.
pub fn refuse_listed_row<'a>(
    rules: impl Into<RowRules<'a>>,
    row: &Value,
    order: Version,
    error: String,
    variables: &Variables,
) -> Box<RefusedRow> {
    match read_unfetched_row(rules, row, RawValue::NULL, order, variables) {
        Ok(record) => refused(record, error),
        Err(too_long) => too_long,
    }
}

fn extracted(
    row: Value,
    key: Result<String, String>,
    order: Version,
    fields: impl FnOnce(&Value) -> Result<RecordFields, String>,
) -> Result<ExtractedRow, Box<RefusedRow>> {
    let (data, fits) = row_json(&row);
    // A row without a key is refused for that, and its other fields are not read.
    let (key, fields) = match key {
        Ok(key) => (key, fields(&row)),
        Err(error) => (String::new(), Err(error)),
    };
    let record = new_record(key, order, data);
    match fields.and_then(|fields| fits.map(|()| fields)) {
        Ok(fields) => Ok(with_fields(record, fields)),
        Err(error) => Err(refused(record, error)),
    }
}

fn with_fields(record: Record, fields: RecordFields) -> ExtractedRow {
    let version = match fields.version {
        Some(version) => version.with_extraction_order(&record.version),
        None => record.version,
    };
    ExtractedRow {
        record: Record {
            version,
            op: fields.operation,
            ..record
        },
        cursor: fields.cursor,
    }
}

fn new_record(key: String, version: Version, data: Box<RawValue>) -> Record {
    Record {
        slot: 0,
        key,
        version,
        op: Operation::Upsert,
        data,
        source: None,
    }
}

fn refused(record: Record, error: String) -> Box<RefusedRow> {
    Box::new(RefusedRow {
        record,
        diagnosis: Diagnosis::invalid(error),
    })
}
/// The JSON of a row; null and an error where it is too long or cannot be written.
fn row_json(row: &Value) -> (Box<RawValue>, Result<(), String>) {
    let json = write(row)
        .ok()
        .and_then(|json| RawValue::from_string(json).ok());
    let error = match json {
        Some(json) if json.get().len() <= MAX_RECORD_BYTES => return (json, Ok(())),
        Some(_) => format!("the record is longer than {} MiB", MAX_RECORD_BYTES >> 20),
        None => "the record cannot be written as JSON".to_owned(),
    };
    (RawValue::NULL.to_owned(), Err(error))
}
