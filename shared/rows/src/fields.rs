//! The key, the version, the operation and the cursor of a row.

use pomost_expression::{EvaluationError, Expression, Value, Variables, given, name, text};
use pomost_models::{Operation, Version, VersionType};

use super::rules::{PlacedExpression, RowRules};
use crate::cursor::{WallClock, wall_clock};

/// Length limit of a key, in bytes: the index of a database takes it with room to spare.
const MAX_KEY_BYTES: usize = 1024;

/// The fields of a record that the flow's expressions find in its row.
pub(super) struct RecordFields {
    /// `None` where the row has no version: then the order of extraction is its version.
    pub(super) version: Option<Version>,
    pub(super) operation: Operation,
    pub(super) cursor: Option<Version>,
}

impl RecordFields {
    pub(super) fn read(
        rules: RowRules<'_>,
        row: &Value,
        variables: &Variables,
    ) -> Result<RecordFields, String> {
        let is_deleted = match rules.deleted {
            Some((place, deleted)) => deleted
                .truth(row.clone(), variables)
                .map_err(|error| error_at(place, &error))?,
            None => false,
        };
        let version = read_version(
            rules.version,
            rules.version_type,
            rules.clock,
            row,
            variables,
        )?;
        Ok(RecordFields {
            version,
            operation: if is_deleted {
                Operation::Delete
            } else {
                Operation::Upsert
            },
            cursor: read_cursor(rules.cursor, row, variables)?,
        })
    }

    /// The fields of a deletion of which at most the version is known.
    pub(super) fn of_deletion(version: Option<Version>) -> RecordFields {
        RecordFields {
            version,
            operation: Operation::Delete,
            cursor: None,
        }
    }
}

pub(super) fn read_key(
    (place, key): PlacedExpression<'_>,
    row: &Value,
    variables: &Variables,
) -> Result<String, String> {
    let key = key
        .one(row.clone(), variables)
        .map_err(|error| error_at(place, &error))?;
    key_text(&key).map_err(|problem| format!("{place} found {problem}"))
}

/// Keys of several fields, `[.shop, .number]`, are their JSON. `1`, `1.0` and `1e0` are one key.
fn key_text(key: &Value) -> Result<String, String> {
    match name(key).filter(|key| !key.is_empty()) {
        None if matches!(key, Value::Num(_)) => Err("a number beyond all bounds".into()),
        None => Err("null; a record without a key cannot be told from others".into()),
        Some(key) if key.len() > MAX_KEY_BYTES => {
            Err(format!("a key longer than {MAX_KEY_BYTES} bytes"))
        }
        Some(key) => Ok(key),
    }
}

/// A row without a version is ordered by when it was read, as are all rows of a flow that names
/// none.
pub(super) fn read_version(
    rule: Option<PlacedExpression<'_>>,
    expected: Option<VersionType>,
    clock: WallClock<'_>,
    row: &Value,
    variables: &Variables,
) -> Result<Option<Version>, String> {
    let Some(found) = find(rule, row, variables)? else {
        return Ok(None);
    };
    match expected {
        Some(expected @ (VersionType::Number | VersionType::Text)) => {
            found.version_of_type(expected).map(Some)
        }
        None if found.is_text_like_a_number() => {
            Ok(Some(Version::new(found.text).marked_as_text()))
        }
        Some(VersionType::Time) | None => {
            // The type is checked, but the version is made below: of a time, it depends on the
            // clock.
            expected
                .map(|expected| found.version_of_type(expected))
                .transpose()?;
            let converted = found
                .expression
                .clock()
                .map(|zone| wall_clock::converted_version(&found.text, zone));
            Ok(Some(
                converted.unwrap_or_else(|| clock.version(&found.text)),
            ))
        }
    }
}

fn read_cursor(
    rule: Option<PlacedExpression<'_>>,
    row: &Value,
    variables: &Variables,
) -> Result<Option<Version>, String> {
    let found = find(rule, row, variables)?;
    Ok(found.map(|found| match found.is_text_like_a_number() {
        true => Version::new(found.text).marked_as_text(),
        false => Version::new(found.text),
    }))
}

/// A time, a number or text that an expression found.
struct FoundText<'a> {
    place: &'static str,
    expression: &'a Expression,
    value: Value,
    text: String,
}

impl FoundText<'_> {
    /// True if the source gave as text what looks like a number: it is ordered as text, and is text
    /// in expressions.
    fn is_text_like_a_number(&self) -> bool {
        matches!(self.value, Value::TStr(_)) && matches!(given(&self.text, false), Value::Num(_))
    }

    fn version_of_type(&self, expected: VersionType) -> Result<Version, String> {
        Version::of_type(&self.text, expected).ok_or_else(|| {
            format!(
                "{} found something else than {}",
                self.place,
                VersionType::expected(expected)
            )
        })
    }
}

/// `None` where the expression finds null or an empty text.
fn find<'a>(
    rule: Option<PlacedExpression<'a>>,
    row: &Value,
    variables: &Variables,
) -> Result<Option<FoundText<'a>>, String> {
    let Some((place, expression)) = rule else {
        return Ok(None);
    };
    let value = expression
        .one(row.clone(), variables)
        .map_err(|error| error_at(place, &error))?;
    match (&value, text(&value)) {
        (Value::Null, _) => Ok(None),
        (_, Some(text)) if text.is_empty() => Ok(None),
        (_, Some(text)) => Ok(Some(FoundText {
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

fn error_at(place: &str, error: &EvaluationError) -> String {
    format!("{place}: {error}")
}
