//! Validating and mapping one record: a pure function of the record and its flow.

use pomost_expression::{
    EvaluationError, Value, Variables, given, pointer_part, read, text, write,
};
use pomost_models::{DeadLetterReason, Operation, Record, RunId};
use pomost_project::{Flow, flow::ChangeOrder, schema::RecordSchema};
use pomost_runtime::dead::Diagnosis;
use serde_json::value::RawValue;

/// The longest mapped record, in bytes. With the record it was made of beside it, it has to fit into a
/// message of 16 MiB.
const MAX_MAPPED: usize = 8 * 1024 * 1024;

/// How much of the text that a mapping raises is shown, in bytes.
const MAX_MESSAGE: usize = 500;

/// How much of it is looked at for what is sensitive, in bytes.
const MAX_MASKED: usize = 4096;

/// A record that could not be transformed, as it came.
#[derive(Debug)]
pub struct Refused {
    /// The record.
    pub record: Record,
    /// Why.
    pub diagnosis: Diagnosis,
}

/// The records that the flow makes of one: none, one in the same slot, or several.
///
/// A delete crosses as it is: its mapping could ask for fields that a deleted record lacks.
pub fn transform(flow: &Flow, run: RunId, record: Record) -> Result<Vec<Record>, Box<Refused>> {
    let stages = &flow.transform;
    let nothing_to_do = stages.expect.is_none() && stages.map.is_none() && stages.produce.is_none();
    if nothing_to_do || record.op == Operation::Delete {
        return Ok(vec![record]);
    }
    match outputs(flow, run, &record).and_then(|outputs| in_order(flow, outputs)) {
        Ok(outputs) if stages.map.is_some() => Ok(mapped(record, outputs)),
        Ok(_) => Ok(vec![record]),
        Err(diagnosis) => Err(Box::new(Refused { record, diagnosis })),
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
            let outputs = map.outputs(input, &variables(flow, run, record));
            outputs.map_err(|error| mapping_failed(flow, record, error))?
        }
        None => vec![input],
    };
    values.iter().map(|value| produced(flow, value)).collect()
}

/// The parts of a record have no place in the order of their key's changes.
fn in_order(flow: &Flow, outputs: Vec<Box<RawValue>>) -> Result<Vec<Box<RawValue>>, Diagnosis> {
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
    let text = write(value).map_err(|error| Diagnosis {
        pointer: unwritable(value).filter(|pointer| !pointer.is_empty()),
        ..invalid("the mapped record: ", &format!("{error}{}", place(flow)))
    })?;
    if text.len() > MAX_MAPPED {
        return Err(invalid(
            "the mapped record: ",
            &format!("it is longer than {} MiB{}", MAX_MAPPED >> 20, place(flow)),
        ));
    }
    RawValue::from_string(text).map_err(|_| invalid("the mapped record: ", &"it is not JSON"))
}

/// The JSON pointer of the first value that has no JSON.
fn unwritable(value: &Value) -> Option<String> {
    let below = |name: &str, value| {
        unwritable(value).map(|pointer| format!("{}{pointer}", pointer_part(name)))
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

/// Where the mapping begins.
fn place(flow: &Flow) -> String {
    flow.transform
        .map
        .as_ref()
        .map(|map| format!(" ({})", map.begin()))
        .unwrap_or_default()
}

fn check(schema: Option<&RecordSchema>, value: &Value, what: &str) -> Result<(), Diagnosis> {
    let Some(schema) = schema else { return Ok(()) };
    schema.check(value).map_err(|error| Diagnosis {
        reason: DeadLetterReason::Invalid,
        error: format!("{what}: {}", error.message),
        pointer: Some(error.pointer),
    })
}

fn variables(flow: &Flow, run: RunId, record: &Record) -> Variables {
    let text = |text: &str| Value::from(text.to_owned());
    Variables {
        key: text(&record.key),
        version: given(record.version.as_str(), record.version.is_text()),
        op: text(record.op.as_str()),
        flow: text(&flow.name),
        run: text(&run.to_string()),
        ..Variables::default()
    }
}

/// One output keeps its record's key; several get keys of their own, in the order the mapping
/// makes them.
fn mapped(record: Record, outputs: Vec<Box<RawValue>>) -> Vec<Record> {
    let several = outputs.len() > 1;
    let key = |n: usize| {
        if several {
            format!("{}/{n}", record.key)
        } else {
            record.key.clone()
        }
    };
    let source = record.source.clone().unwrap_or_else(|| record.data.clone());
    let output = |(n, data)| Record {
        slot: record.slot,
        key: key(n),
        version: record.version.clone(),
        op: record.op,
        data,
        source: Some(source.clone()),
    };
    outputs.into_iter().enumerate().map(output).collect()
}

/// What the mapping's author gave to `error` is shown, without what is sensitive in the record.
fn mapping_failed(flow: &Flow, record: &Record, error: EvaluationError) -> Diagnosis {
    let message = match &error.raised {
        Some(raised) => flow.mask_for_record(record, &shortened(raised.unmasked(), MAX_MASKED)),
        None => error.message,
    };
    let place = error
        .place
        .map(|place| format!(" ({place})"))
        .unwrap_or_default();
    Diagnosis {
        reason: DeadLetterReason::Invalid,
        error: format!("the mapping: {}{place}", shortened(&message, MAX_MESSAGE)),
        pointer: error.pointer,
    }
}

/// A text of an author's may be as long as the record: its beginning tells enough.
fn shortened(message: &str, longest: usize) -> String {
    match message.len() > longest {
        true => format!("{}…", &message[..message.floor_char_boundary(longest)]),
        false => message.to_owned(),
    }
}

fn invalid(what: &str, error: &dyn std::fmt::Display) -> Diagnosis {
    Diagnosis {
        reason: DeadLetterReason::Invalid,
        error: format!("{what}{error}"),
        pointer: None,
    }
}
