//! Dead letters as people are shown them, sensitive values masked.

use jiff::Timestamp;
use pomost_expression::{Value, read, write};
use pomost_models::{DeadLetter, Op, Reason, RunId, Stage, Version};
use pomost_project::{Flow, Project};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::indent::indented;

/// What stands for what must not be shown.
const MASK: &str = "***";

/// A dead letter with its record, as JSON on several lines. Numbers keep every digit.
pub fn shown(letter: &DeadLetter, project: Option<&Project>) -> anyhow::Result<String> {
    let flow = flow(letter, project);
    let record = letter.record.as_ref();
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
        version: letter.version(),
        op: letter.op(),
        data: record.and_then(|record| masked(flow, record.data.get())),
        extracted: record.and_then(|record| masked(flow, record.extracted().get())),
    };
    Ok(indented(&serde_json::to_string(&shown)?))
}

/// The beginning of a letter's id, which is enough to name it by.
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// The record's key; a sensitive field may be a part of it. Hidden where the flow is not known.
pub fn key(letter: &DeadLetter, project: Option<&Project>) -> String {
    let Some(record) = &letter.record else { return String::new() };
    let Some(flow) = flow(letter, project) else { return MASK.to_owned() };
    let value = |json: &str| read(json.as_bytes()).unwrap_or_default();
    let key = flow.mask(&value(record.data.get()), &record.key);
    flow.mask(&value(record.extracted().get()), &key)
}

fn flow<'a>(letter: &DeadLetter, project: Option<&'a Project>) -> Option<&'a Flow> {
    project?.flows.get(&letter.flow).map(|flow| &**flow)
}

/// The record with its sensitive fields masked; all of it where the flow is not known.
fn masked(flow: Option<&Flow>, json: &str) -> Option<Box<RawValue>> {
    let value = read(json.as_bytes()).ok()?;
    let masked = match flow {
        Some(flow) => flow.mask_record(&value),
        None => Value::from(MASK.to_owned()),
    };
    RawValue::from_string(write(&masked).ok()?).ok()
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    flow: &'a str,
    run: RunId,
    stage: Stage,
    class: Reason,
    error: &'a str,
    pointer: Option<&'a str>,
    attempts: u32,
    trace_id: Option<&'a str>,
    died_at: Timestamp,
    key: String,
    version: Option<&'a Version>,
    op: Option<Op>,
    data: Option<Box<RawValue>>,
    extracted: Option<Box<RawValue>>,
}
