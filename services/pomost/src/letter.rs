//! Dead letters as people are shown them, sensitive values masked.

use jiff::Timestamp;
use pomost_expression::{Value, read, write};
use pomost_models::{DeadLetter, DeadLetterReason, Operation, Record, RunId, Stage, Version};
use pomost_project::{Flow, Project};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::indent::indented;

/// What stands for what must not be shown.
const MASK: &str = "***";

/// A dead letter with its record, as JSON on several lines. Numbers keep every digit.
pub fn shown(letter: &DeadLetter, project: Option<&Project>) -> anyhow::Result<String> {
    let flow = flow(letter, project);
    let forms = letter
        .record
        .as_ref()
        .map(|record| Forms::of(record, flow))
        .unwrap_or_default();
    let shown = Shown {
        id: &letter.id,
        flow: &letter.flow,
        run: letter.run,
        stage: letter.stage,
        class: letter.reason,
        error: &letter.error,
        pointer: letter.pointer.as_deref(),
        attempts: letter.attempts,
        trace_id: letter.trace_id(),
        died_at: letter.died_at,
        key: key(letter, project),
        version: letter.version().map(Version::as_str),
        op: letter.op(),
        data: forms.data,
        extracted: forms.extracted,
        message: message(letter, flow),
    };
    Ok(indented(&serde_json::to_string(&shown)?))
}

/// The beginning of a letter's id, which is enough to name it by.
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The record's key; a sensitive field may be a part of it. Hidden where the flow is not known.
pub fn key(letter: &DeadLetter, project: Option<&Project>) -> String {
    let Some(record) = &letter.record else {
        return String::new();
    };
    let Some(flow) = flow(letter, project) else {
        return MASK.to_owned();
    };
    let value = |json: &str| read(json.as_bytes()).unwrap_or_default();
    let key = flow.mask(&value(record.data.get()), &record.key);
    flow.mask(&value(record.extracted().get()), &key)
}

fn flow<'a>(letter: &DeadLetter, project: Option<&'a Project>) -> Option<&'a Flow> {
    project?.flows.get(&letter.flow).map(|flow| &**flow)
}

/// A record as it came to the stage and as it was extracted, as far as they may be shown.
#[derive(Default)]
struct Forms {
    data: Option<Box<RawValue>>,
    extracted: Option<Box<RawValue>>,
}

impl Forms {
    /// What is sensitive in one may stand in the other where no sensitive path leads, so both hide
    /// the values of both. All is hidden where the flow is not known.
    fn of(record: &Record, flow: Option<&Flow>) -> Forms {
        let Some(flow) = flow else {
            return Forms {
                data: json(&mask()),
                extracted: json(&mask()),
            };
        };
        let value = |text: &RawValue| read(text.get().as_bytes()).ok();
        let (data, extracted) = (value(&record.data), value(record.extracted()));
        let shown = |one: &Option<Value>, other: &Option<Value>| {
            let own = flow.mask_record(one.as_ref()?);
            json(
                &other
                    .as_ref()
                    .map_or(own.clone(), |other| masked_as_part_of(flow, other, &own)),
            )
        };
        Forms {
            data: shown(&data, &extracted),
            extracted: shown(&extracted, &data),
        }
    }
}

/// Hides in a value what is sensitive in a record: the paths lead through the record, which gets the
/// value as one more field.
fn masked_as_part_of(flow: &Flow, record: &Value, value: &Value) -> Value {
    const FIELD: &str = "\0";
    let field = Value::from(FIELD.to_owned());
    let Value::Obj(fields) = record else {
        return if flow.sensitive.is_empty() {
            value.clone()
        } else {
            mask()
        };
    };
    let mut together = (**fields).clone();
    together.insert(field.clone(), value.clone());
    match flow.mask_record(&Value::obj(together)) {
        Value::Obj(fields) => fields.get(&field).cloned().unwrap_or_else(mask),
        _ => mask(),
    }
}

/// A message that could not be read. Where in it sensitive values stand nobody can tell, so it is
/// shown where the flow has none.
fn message(letter: &DeadLetter, flow: Option<&Flow>) -> Option<Box<RawValue>> {
    let message = letter.message.clone()?;
    match flow {
        Some(flow) if flow.sensitive.is_empty() => Some(message),
        _ => json(&mask()),
    }
}

fn mask() -> Value {
    Value::from(MASK.to_owned())
}

fn json(value: &Value) -> Option<Box<RawValue>> {
    RawValue::from_string(write(value).ok()?).ok()
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    flow: &'a str,
    run: RunId,
    stage: Stage,
    class: DeadLetterReason,
    error: &'a str,
    pointer: Option<&'a str>,
    attempts: u32,
    trace_id: Option<&'a str>,
    died_at: Timestamp,
    key: String,
    version: Option<&'a str>,
    op: Option<Operation>,
    data: Option<Box<RawValue>>,
    extracted: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Box<RawValue>>,
}
