//! Files as the destination: one for the records that are loaded together.

mod notes;
mod place;

use std::{io, sync::Arc};

use async_trait::async_trait;
use pomost_expression::{Value, read, text};
use pomost_format::{EncodeError, Format, Syntax, encode};
use pomost_http::{Class, Failure};
use pomost_models::{Batch, Record};
use pomost_project::flow::Files;
use tokio::task::spawn_blocking;

use place::Place;

use crate::{
    act::Failed,
    many::{Kind, Many, Row, Written},
};

/// Writes files. A file appears whole, under a name made of its flow, run and batch, and stays as it
/// is: what comes of the batch later goes into another, and what comes again into none.
pub(crate) struct Writer {
    files: Arc<Files>,
}

impl Writer {
    /// A writer of a flow's files.
    pub(crate) fn new(files: Arc<Files>) -> Writer {
        Writer { files }
    }
}

#[async_trait]
impl Many for Writer {
    fn takes(&self, _: Kind) -> Option<usize> {
        Some(usize::MAX)
    }

    async fn write(&self, _: Kind, rows: &[Row<'_>]) -> Result<Vec<Written>, Failure> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let records = rows.iter().map(|row| row.act.record);
        self.write_records(first.act.batch, records.collect()).await
    }
}

impl Writer {
    async fn write_records(&self, batch: &Batch, records: Vec<&Record>) -> Result<Vec<Written>, Failure> {
        let file = File {
            place: Place::of(&self.files, batch),
            format: self.files.format.clone(),
            rows: records.iter().map(|record| (record.slot, record.data.get().to_owned())).collect(),
        };
        let written = spawn_blocking(move || file.write()).await.map_err(io::Error::other).flatten();
        let refused = written.map_err(|error| self.failed(&error))?;
        let written = refused.into_iter().map(|refused| match refused {
            None => Written::Done(None),
            Some(message) => Written::Failed(Failed::without_effect(Failure::new(Class::Invalid, message))),
        });
        Ok(written.collect())
    }

    /// A disk that is full or closed to us is waited for. If the file is there all the same, its note says
    /// so to whoever comes next.
    fn failed(&self, error: &io::Error) -> Failure {
        let message = format!("the directory {}: {error}", self.files.directory.display());
        Failure::new(Class::Throttled, message)
    }
}

/// What is to be written, by the slots of the records in their batch.
struct File {
    place: Place,
    format: Format,
    rows: Vec<(u32, String)>,
}

impl File {
    /// Writes those of the records that no file has yet; returns for each why it cannot be written.
    fn write(self) -> io::Result<Vec<Option<String>>> {
        self.place.make()?;
        let written = self.place.written()?;
        let mut refused = vec![None; self.rows.len()];
        let mut values = Vec::new();
        for (index, (slot, data)) in self.rows.iter().enumerate() {
            match read(data.as_bytes()) {
                _ if written.contains(slot) => {}
                Ok(value) => values.push((index, value)),
                Err(error) => refused[index] = Some(format!("the record is not JSON: {error}")),
            }
        }
        let content = encode_fitting(&self.format, &mut values, &mut refused);
        let slots: Vec<u32> = values.iter().map(|(index, _)| self.rows[*index].0).collect();
        if !slots.is_empty() {
            self.place.put(&slots, &content)?;
        }
        Ok(refused)
    }
}

/// The content of a file with those values that can be written; the others are taken out and refused.
fn encode_fitting(
    format: &Format,
    values: &mut Vec<(usize, Value)>,
    refused: &mut [Option<String>],
) -> Vec<u8> {
    while !values.is_empty() {
        let records: Vec<Value> = values.iter().map(|(_, value)| value.clone()).collect();
        match encode(&with_columns(format, &records), &records) {
            Ok(content) => return content,
            Err(EncodeError { format, record, message }) => {
                let (index, _) = values.remove(record.saturating_sub(1).min(values.len() - 1));
                refused[index] = Some(format!("the record cannot be written as {format}: {message}"));
            }
        }
    }
    Vec::new()
}

/// A table without names for its columns has those that its records have fields for.
fn with_columns(format: &Format, records: &[Value]) -> Format {
    let Syntax::Csv(options) = &format.syntax else { return format.clone() };
    let mut options = options.clone();
    if options.names.is_empty() {
        for field in records.iter().flat_map(fields) {
            if !options.names.contains(&field) {
                options.names.push(field);
            }
        }
    }
    Format { syntax: Syntax::Csv(options), ..format.clone() }
}

fn fields(record: &Value) -> Vec<String> {
    match record {
        Value::Obj(fields) => fields.keys().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
