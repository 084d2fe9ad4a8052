//! Validating and mapping one record: a pure function of the record and its flow.

use pomost_expression::{EvaluationError, Value, pointer_part, read, text, write};
use pomost_models::{Diagnosis, Operation, Record, RunId, Version};
use pomost_project::{Flow, flow::ChangeOrder, schema::RecordSchema};
use pomost_store::part_key;
use serde_json::value::RawValue;

use crate::parts::ChangeOutputs;

/// Size of the largest mapped record, in bytes. With the record it was made of beside it, it has to
/// fit into a message of 16 MiB.
const MAX_MAPPED_BYTES: usize = 8 * 1024 * 1024;

/// Number of bytes that are shown of the text that a mapping raises.
const MAX_SHOWN_BYTES: usize = 500;

/// Number of bytes of that text in which sensitive values are looked for. More than are shown, so
/// that none stands cut in two where the shown text ends.
const MAX_MASKED_BYTES: usize = 4096;

/// A record that could not be transformed, as it came, and why.
#[derive(Debug)]
pub struct RefusedRecord {
    pub record: Record,
    pub diagnosis: Diagnosis,
}

/// The records that a flow makes of one record.
#[derive(Debug)]
pub enum MappedRecord {
    /// Nothing: the mapping leaves out the record, which is as it came.
    Filtered(Record),
    /// One record under the same key.
    Whole(Record),
    /// Several records under keys of their own, made of one, which is as it came.
    Split { record: Record, parts: Vec<Record> },
}

impl MappedRecord {
    /// The key of the record that was mapped.
    pub fn key(&self) -> &str {
        &self.record().key
    }

    /// The version of the record that was mapped.
    pub fn version(&self) -> &Version {
        &self.record().version
    }

    /// Says what the mapping made of the record, without the content.
    pub fn outputs(&self) -> ChangeOutputs {
        match self {
            MappedRecord::Filtered(_) => ChangeOutputs::None,
            MappedRecord::Whole(record) if record.op == Operation::Delete => {
                ChangeOutputs::Deletion
            }
            MappedRecord::Whole(_) => ChangeOutputs::Whole,
            MappedRecord::Split { parts, .. } => {
                ChangeOutputs::Parts(u32::try_from(parts.len()).unwrap_or(u32::MAX))
            }
        }
    }

    /// The record as it was extracted, or as it was mapped where nothing else is left of it.
    pub fn record(&self) -> &Record {
        match self {
            MappedRecord::Filtered(record)
            | MappedRecord::Whole(record)
            | MappedRecord::Split { record, .. } => record,
        }
    }
}

/// The records that the flow makes of one: none, one in the same slot, or several.
pub fn transform(
    flow: &Flow,
    run: RunId,
    record: Record,
) -> Result<Vec<Record>, Box<RefusedRecord>> {
    Ok(match map_record(flow, run, record)? {
        MappedRecord::Filtered(_) => Vec::new(),
        MappedRecord::Whole(record) => vec![record],
        MappedRecord::Split { parts, .. } => parts,
    })
}

/// Validates and maps one record.
///
/// A deletion crosses as it is: its mapping could ask for fields that a deleted record lacks.
pub fn map_record(
    flow: &Flow,
    run: RunId,
    record: Record,
) -> Result<MappedRecord, Box<RefusedRecord>> {
    let stages = &flow.transform;
    let nothing_to_do = stages.expect.is_none() && stages.map.is_none() && stages.produce.is_none();
    if nothing_to_do || record.op == Operation::Delete {
        return Ok(MappedRecord::Whole(record));
    }
    match outputs(flow, run, &record).and_then(|outputs| refuse_parts_in_order(flow, outputs)) {
        Ok(outputs) if stages.map.is_some() => Ok(mapped(record, outputs)),
        Ok(_) => Ok(MappedRecord::Whole(record)),
        Err(diagnosis) => Err(Box::new(RefusedRecord { record, diagnosis })),
    }
}

fn outputs(flow: &Flow, run: RunId, record: &Record) -> Result<Vec<Box<RawValue>>, Diagnosis> {
    let input = read(record.data.get().as_bytes()).map_err(|error| invalid("", &error))?;
    check(
        flow.transform.expect.as_ref(),
        &input,
        "the source's record",
    )?;
    let values = match &flow.transform.map {
        Some(map) => {
            let outputs = map.outputs(input, &flow.record_variables(run, record));
            outputs.map_err(|error| mapping_failed(flow, record, error))?
        }
        None => vec![input],
    };
    values.iter().map(|value| produced(flow, value)).collect()
}

/// Refuses several outputs where the flow applies every change: the parts of a record have no place
/// in the order of the changes of its key.
fn refuse_parts_in_order(
    flow: &Flow,
    outputs: Vec<Box<RawValue>>,
) -> Result<Vec<Box<RawValue>>, Diagnosis> {
    match flow.load.order == ChangeOrder::Every && outputs.len() > 1 {
        true => Err(invalid(
            "the mapping",
            &" splits the record, which a flow with load.order: every cannot do",
        )),
        false => Ok(outputs),
    }
}

fn produced(flow: &Flow, value: &Value) -> Result<Box<RawValue>, Diagnosis> {
    check(flow.transform.produce.as_ref(), value, "the mapped record")?;
    let text = write(value).map_err(|error| {
        let pointer = pointer_of_unwritable(value).filter(|pointer| !pointer.is_empty());
        invalid("the mapped record: ", &format!("{error}{}", place(flow))).at(pointer)
    })?;
    if text.len() > MAX_MAPPED_BYTES {
        return Err(invalid(
            "the mapped record: ",
            &format!(
                "it is longer than {} MiB{}",
                MAX_MAPPED_BYTES >> 20,
                place(flow)
            ),
        ));
    }
    RawValue::from_string(text).map_err(|_| invalid("the mapped record: ", &"it is not JSON"))
}

/// The JSON pointer of the first value that JSON cannot express.
fn pointer_of_unwritable(value: &Value) -> Option<String> {
    let below = |name: &str, value| {
        pointer_of_unwritable(value).map(|pointer| format!("{}{pointer}", pointer_part(name)))
    };
    match value {
        Value::Arr(items) => items
            .iter()
            .enumerate()
            .find_map(|(place, item)| below(&place.to_string(), item)),
        Value::Obj(fields) => fields
            .iter()
            .find_map(|(key, field)| below(&text(key).unwrap_or_default(), field)),
        scalar => write(scalar).is_err().then(String::new),
    }
}

/// The place in the flow's file at which the mapping begins, in parentheses.
fn place(flow: &Flow) -> String {
    flow.transform
        .map
        .as_ref()
        .map(|map| format!(" ({})", map.begin()))
        .unwrap_or_default()
}

fn check(schema: Option<&RecordSchema>, value: &Value, what: &str) -> Result<(), Diagnosis> {
    let Some(schema) = schema else { return Ok(()) };
    schema.check(value).map_err(|error| {
        Diagnosis::invalid(format!("{what}: {}", error.message)).at(Some(error.pointer))
    })
}

/// One output keeps the key of its record; several get keys of their own, in the order in which the
/// mapping makes them.
fn mapped(record: Record, mut outputs: Vec<Box<RawValue>>) -> MappedRecord {
    if outputs.len() > 1 {
        let parts = (0..).zip(outputs);
        let parts = parts.map(|(part, data)| part_of(&record, part, data));
        let parts = parts.collect();
        return MappedRecord::Split { record, parts };
    }
    match outputs.pop() {
        None => MappedRecord::Filtered(record),
        Some(data) => MappedRecord::Whole(Record {
            source: Some(record.source.unwrap_or(record.data)),
            data,
            ..record
        }),
    }
}

fn part_of(record: &Record, part: u32, data: Box<RawValue>) -> Record {
    Record {
        key: part_key(&record.key, part),
        version: record.version.clone(),
        data,
        source: Some(record.extracted().to_owned()),
        ..*record
    }
}

/// Describes why a mapping failed. The text that its author gave to `error` is shown, with
/// sensitive values of the record masked.
fn mapping_failed(flow: &Flow, record: &Record, error: EvaluationError) -> Diagnosis {
    let message = match &error.raised {
        Some(raised) => {
            flow.mask_for_record(record, &shortened(raised.unmasked(), MAX_MASKED_BYTES))
        }
        None => error.message,
    };
    let place = error
        .place
        .map(|place| format!(" ({place})"))
        .unwrap_or_default();
    let message = shortened(&message, MAX_SHOWN_BYTES);
    Diagnosis::invalid(format!("the mapping: {message}{place}")).at(error.pointer)
}

/// The beginning of a message, which may be as long as the record.
fn shortened(message: &str, longest: usize) -> String {
    match message.len() > longest {
        true => format!("{}…", &message[..message.floor_char_boundary(longest)]),
        false => message.to_owned(),
    }
}

fn invalid(what: &str, error: &dyn std::fmt::Display) -> Diagnosis {
    Diagnosis::invalid(format!("{what}{error}"))
}
