//! Files as the destination: one for the records that are loaded together.

mod notes;
mod place;

use std::{io, slice, sync::Arc};

use async_trait::async_trait;
use pomost_expression::{Value, read, text};
use pomost_format::{BodyEncoder, BodyFormat, CsvOptions, EncodeError, FormatSyntax, encode};
use pomost_http::{Failure, FailureClass};
use pomost_models::{Batch, Record};
use pomost_project::flow::FileDestination;
use tokio::task::spawn_blocking;

use notes::mark;
use place::Place;

use crate::{
    act::Failed,
    many::{Kind, Many, Row, Written},
};

/// Writes files. A file appears whole, under a name made of its flow, run, batch and content, and stays as
/// it is: what comes of the batch later goes into another, and what comes again into none.
pub(crate) struct Writer {
    files: Arc<FileDestination>,
}

impl Writer {
    /// A writer of a flow's files.
    pub(crate) fn new(files: Arc<FileDestination>) -> Writer {
        Writer { files }
    }
}

#[async_trait]
impl Many for Writer {
    fn takes(&self, _: Kind) -> Option<usize> {
        Some(usize::MAX)
    }

    async fn write(&self, _: Kind, rows: &[Row<'_>]) -> Result<Vec<Written>, Failure> {
        let Some(first) = rows.first() else {
            return Ok(Vec::new());
        };
        let records = rows.iter().map(|row| row.act.record);
        self.write_records(first.act.batch, records.collect()).await
    }
}

impl Writer {
    async fn write_records(
        &self,
        batch: &Batch,
        records: Vec<&Record>,
    ) -> Result<Vec<Written>, Failure> {
        let file = File {
            place: Place::of(&self.files, batch),
            format: self.files.format.clone(),
            rows: records
                .iter()
                .map(|record| (mark(record), record.data.get().to_owned()))
                .collect(),
        };
        let written = spawn_blocking(move || file.write())
            .await
            .map_err(io::Error::other)
            .flatten();
        let refused = written.map_err(|error| self.failed(&error))?;
        let written = refused.into_iter().map(|refused| match refused {
            None => Written::Done(None),
            Some(message) => Written::Failed(Failed::without_effect(Failure::new(
                FailureClass::Invalid,
                message,
            ))),
        });
        Ok(written.collect())
    }

    /// A disk that is full or closed to us is waited for. If the file is there all the same, its note says
    /// so to whoever comes next.
    fn failed(&self, error: &io::Error) -> Failure {
        let message = format!("the directory {}: {error}", self.files.directory.display());
        Failure::new(FailureClass::Throttled, message)
    }
}

/// What is to be written: the records' marks, and their data.
struct File {
    place: Place,
    format: BodyFormat,
    rows: Vec<(String, String)>,
}

impl File {
    /// Writes those of the records that no file has yet; returns for each why it cannot be written.
    fn write(self) -> io::Result<Vec<Option<String>>> {
        self.place.make()?;
        let written = self.place.written()?;
        let mut refused = vec![None; self.rows.len()];
        let mut values = Vec::new();
        for (index, (mark, data)) in self.rows.iter().enumerate() {
            match read(data.as_bytes()) {
                _ if written.contains(mark) => {}
                Ok(value) => values.push((index, value)),
                Err(error) => refused[index] = Some(format!("the record is not JSON: {error}")),
            }
        }
        let content = encode_fitting(&self.format, &mut values, &mut refused);
        let marks: Vec<&str> = values
            .iter()
            .map(|(index, _)| self.rows[*index].0.as_str())
            .collect();
        if !marks.is_empty() {
            self.place.put(&marks, &content)?;
        }
        Ok(refused)
    }
}

/// The content of a file with those values that can be written; the others are taken out and refused.
///
/// Where not all can be written together, each is judged by itself. Another turn is for what fitted only
/// among columns of the refused, as a record without fields does.
fn encode_fitting(
    format: &BodyFormat,
    values: &mut Vec<(usize, Value)>,
    refused: &mut [Option<String>],
) -> Vec<u8> {
    while !values.is_empty() {
        let format = with_columns(format, values);
        if let Ok(content) = encode_all(&format, values) {
            return content;
        }
        values.retain(|(index, value)| {
            let error = encode(&format, slice::from_ref(value)).err();
            refused[*index] = error.map(
                |EncodeError {
                     format, message, ..
                 }| {
                    format!("the record cannot be written as {format}: {message}")
                },
            );
            refused[*index].is_none()
        });
    }
    Vec::new()
}

fn encode_all(format: &BodyFormat, values: &[(usize, Value)]) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = BodyEncoder::new(format)?;
    values
        .iter()
        .try_for_each(|(_, value)| encoder.push(value))?;
    encoder.finish()
}

/// A table without names for its columns has those that its records have fields for. A name that cannot
/// be written is no column, which is the fault of who has such a field, and of no other record.
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

#[cfg(test)]
mod tests;
