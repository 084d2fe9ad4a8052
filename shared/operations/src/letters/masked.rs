//! Dead letters as people are shown them, with sensitive values masked.

use jiff::Timestamp;
use pomost_expression::{Value, read, write};
use pomost_models::{DeadLetter, DeadLetterReason, Operation, Record, RunId, Stage, Version};
use pomost_project::{Flow, Project};
use serde::Serialize;
use serde_json::value::RawValue;

/// The text that is shown instead of a sensitive value.
const MASK: &str = "***";

/// A dead letter as a line of a list.
#[derive(Debug, Clone, Serialize)]
pub struct LetterSummary {
    pub id: String,
    pub died_at: Timestamp,
    pub flow: String,
    pub stage: Stage,
    pub class: DeadLetterReason,
    /// Masked; empty where the message could not be read.
    pub key: String,
    /// The JSON pointer of the field at fault.
    pub pointer: Option<String>,
    pub error: String,
}

/// A dead letter with its record. Numbers keep every digit.
#[derive(Debug, Clone, Serialize)]
pub struct LetterDetails {
    pub id: String,
    pub flow: String,
    pub run: RunId,
    pub stage: Stage,
    pub class: DeadLetterReason,
    pub error: String,
    /// The JSON pointer of the field at fault.
    pub pointer: Option<String>,
    pub attempts: u32,
    pub trace_id: Option<String>,
    pub died_at: Timestamp,
    /// Masked; empty where the message could not be read.
    pub key: String,
    pub version: Option<String>,
    pub op: Option<Operation>,
    /// The record as it came to the stage.
    pub data: Option<Box<RawValue>>,
    /// The record as it was extracted.
    pub extracted: Option<Box<RawValue>>,
    /// The message itself, where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<RawValue>>,
}

impl LetterSummary {
    pub(super) fn of(letter: &DeadLetter, project: Option<&Project>) -> LetterSummary {
        LetterSummary {
            id: letter.id.clone(),
            died_at: letter.died_at,
            flow: letter.flow.clone(),
            stage: letter.stage,
            class: letter.reason,
            key: masked_key(letter, flow_of(letter, project)),
            pointer: letter.pointer.clone(),
            error: letter.error.clone(),
        }
    }
}

impl LetterDetails {
    pub(super) fn of(letter: &DeadLetter, project: Option<&Project>) -> LetterDetails {
        let flow = flow_of(letter, project);
        let record = letter.record.as_ref();
        let MaskedRecord { data, extracted } = record
            .map(|record| MaskedRecord::of(record, flow))
            .unwrap_or_default();
        LetterDetails {
            id: letter.id.clone(),
            flow: letter.flow.clone(),
            run: letter.run,
            stage: letter.stage,
            class: letter.reason,
            error: letter.error.clone(),
            pointer: letter.pointer.clone(),
            attempts: letter.attempts,
            trace_id: letter.trace_id().map(str::to_owned),
            died_at: letter.died_at,
            key: masked_key(letter, flow),
            version: letter.version().map(Version::as_str).map(str::to_owned),
            op: letter.op(),
            data,
            extracted,
            message: masked_message(letter, flow),
        }
    }
}

fn flow_of<'a>(letter: &DeadLetter, project: Option<&'a Project>) -> Option<&'a Flow> {
    project?.flows.get(&letter.flow).map(|flow| &**flow)
}

/// The record's key, of which a sensitive field may be a part. Hidden where the flow is not known.
fn masked_key(letter: &DeadLetter, flow: Option<&Flow>) -> String {
    let Some(record) = &letter.record else {
        return String::new();
    };
    let Some(flow) = flow else {
        return MASK.to_owned();
    };
    let value = |json: &str| read(json.as_bytes()).unwrap_or_default();
    let key = flow.mask(&value(record.data.get()), &record.key);
    flow.mask(&value(record.extracted().get()), &key)
}

/// A record as it came to the stage and as it was extracted, as far as both may be shown.
#[derive(Default)]
struct MaskedRecord {
    data: Option<Box<RawValue>>,
    extracted: Option<Box<RawValue>>,
}

impl MaskedRecord {
    /// Masks both forms of a record. A value that is sensitive in one form may stand in the other
    /// form where no sensitive path leads, so each hides the sensitive values of both. All is
    /// hidden where the flow is not known.
    fn of(record: &Record, flow: Option<&Flow>) -> MaskedRecord {
        let Some(flow) = flow else {
            return MaskedRecord {
                data: json(&mask()),
                extracted: json(&mask()),
            };
        };
        let value = |text: &RawValue| read(text.get().as_bytes()).ok();
        let (data, extracted) = (value(&record.data), value(record.extracted()));
        let masked = |one: &Option<Value>, other: &Option<Value>| {
            let own = flow.mask_record(one.as_ref()?);
            json(&match other {
                Some(other) => masked_as_part_of(flow, other, &own),
                None => own,
            })
        };
        MaskedRecord {
            data: masked(&data, &extracted),
            extracted: masked(&extracted, &data),
        }
    }
}

/// Hides in a value what is sensitive in a record. The flow's sensitive paths lead through the
/// record, so the record gets the value as one more field while it is masked.
fn masked_as_part_of(flow: &Flow, record: &Value, value: &Value) -> Value {
    const FIELD: &str = "\0";
    let field = Value::from(FIELD.to_owned());
    let Value::Obj(fields) = record else {
        return match flow.sensitive.is_empty() {
            true => value.clone(),
            false => mask(),
        };
    };
    let mut together = (**fields).clone();
    together.insert(field.clone(), value.clone());
    match flow.mask_record(&Value::obj(together)) {
        Value::Obj(fields) => fields.get(&field).cloned().unwrap_or_else(mask),
        _ => mask(),
    }
}

/// A message that could not be read. Nobody can tell where in it sensitive values stand, so it is
/// shown only where the flow has none.
fn masked_message(letter: &DeadLetter, flow: Option<&Flow>) -> Option<Box<RawValue>> {
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
