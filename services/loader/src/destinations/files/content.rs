//! The content of a file: the records that can be written in its format.

use std::slice;

use pomost_expression::{Value, read, text};
use pomost_format::{BodyEncoder, BodyFormat, CsvOptions, EncodeError, FormatSyntax, encode};

/// Encodes records in the format of a flow's files.
pub(super) struct FileContent {
    format: BodyFormat,
}

/// A file's bytes, with the positions of the records in it and the reasons for those that are not.
#[derive(Default)]
pub(super) struct EncodedRecords {
    pub(super) bytes: Vec<u8>,
    pub(super) positions: Vec<usize>,
    pub(super) refusals: Vec<(usize, String)>,
}

impl FileContent {
    pub(super) fn new(format: BodyFormat) -> FileContent {
        FileContent { format }
    }

    /// Encodes the records that can be written, each given with its position; the others are
    /// refused.
    ///
    /// Where not all can be written together, each is judged alone. A record may have fitted only
    /// among the columns of a refused one, as a record without fields does: hence another turn.
    pub(super) fn encode<'a>(
        &self,
        rows: impl Iterator<Item = (usize, &'a str)>,
    ) -> EncodedRecords {
        let mut encoded = EncodedRecords::default();
        let mut values = Vec::new();
        for (position, data) in rows {
            match read(data.as_bytes()) {
                Ok(value) => values.push((position, value)),
                Err(error) => {
                    let refusal = format!("the record is not JSON: {error}");
                    encoded.refusals.push((position, refusal));
                }
            }
        }
        while !values.is_empty() {
            let format = with_columns(&self.format, &values);
            if let Ok(bytes) = encode_together(&format, &values) {
                encoded.bytes = bytes;
                break;
            }
            values.retain(|(position, value)| {
                let refusal = refusal_alone(&format, value);
                let is_taken = refusal.is_none();
                encoded
                    .refusals
                    .extend(refusal.map(|refusal| (*position, refusal)));
                is_taken
            });
        }
        encoded.positions = values.into_iter().map(|(position, _)| position).collect();
        encoded
    }
}

fn encode_together(format: &BodyFormat, values: &[(usize, Value)]) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = BodyEncoder::new(format)?;
    values
        .iter()
        .try_for_each(|(_, value)| encoder.push(value))?;
    encoder.finish()
}

fn refusal_alone(format: &BodyFormat, value: &Value) -> Option<String> {
    let EncodeError {
        format, message, ..
    } = encode(format, slice::from_ref(value)).err()?;
    Some(format!(
        "the record cannot be written as {format}: {message}"
    ))
}

/// Names the columns of a table that names none: the fields of its records. A field whose name
/// cannot be written is no column; the record that has it is refused, and no other one.
fn with_columns(format: &BodyFormat, values: &[(usize, Value)]) -> BodyFormat {
    let FormatSyntax::Csv(options) = &format.syntax else {
        return format.clone();
    };
    let with = |names| BodyFormat {
        syntax: FormatSyntax::Csv(CsvOptions {
            names,
            ..options.clone()
        }),
        ..format.clone()
    };
    let mut names = options.names.clone();
    if names.is_empty() {
        for field in values.iter().flat_map(|(_, value)| fields(value)) {
            if !names.contains(&field) && encode(&with(vec![field.clone()]), &[]).is_ok() {
                names.push(field);
            }
        }
    }
    with(names)
}

fn fields(record: &Value) -> Vec<String> {
    match record {
        Value::Obj(fields) => fields.keys().filter_map(text).collect(),
        _ => Vec::new(),
    }
}
