//! The requests for many records.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use pomost_expression::{Value, Variables, given};
use pomost_http::{Failure, FailureClass, OutgoingRequest};
use pomost_project::flow::{BatchRequests, RequestTemplate};

use super::{SystemWriter, no_request, requests::show, verdicts::BulkVerdicts};
use crate::destinations::{PlannedWrite, RecordAction, WriteItem, WriteResult};

/// A request for many records that was planned.
pub(super) struct PlannedBulkRequest<'a> {
    writer: &'a SystemWriter,
    batch: &'a BatchRequests,
    action: RecordAction,
    items: &'a [WriteItem<'a>],
    request: OutgoingRequest<'a>,
}

impl fmt::Display for PlannedBulkRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.request, f)
    }
}

#[async_trait]
impl PlannedWrite for PlannedBulkRequest<'_> {
    async fn perform(self: Box<Self>) -> Result<Vec<WriteResult>, Failure> {
        let label = self.request.label;
        let sent = self.writer.client.send(self.request).await;
        let response = sent.map_err(|failure| of_no_record(self.action, failure))?;
        let verdicts = BulkVerdicts {
            response: &response,
            batch: self.batch,
            id: self.writer.id_expression(self.action),
            label,
            variables: variables(self.writer),
        };
        Ok(verdicts.results(self.items))
    }
}

impl<'a> PlannedBulkRequest<'a> {
    pub(super) fn new(
        writer: &'a SystemWriter,
        action: RecordAction,
        items: &'a [WriteItem<'a>],
    ) -> Result<PlannedBulkRequest<'a>, Failure> {
        let template = writer.template(action).ok_or_else(no_request)?;
        let batch = writer.requests.batch_for(template).ok_or_else(no_request)?;
        Ok(PlannedBulkRequest {
            request: fill(writer, template, items)?,
            writer,
            batch,
            action,
            items,
        })
    }
}

/// Fills a template in for many records. Its body is their list where the flow names none.
fn fill<'a>(
    writer: &'a SystemWriter,
    template: &'a RequestTemplate,
    items: &[WriteItem<'a>],
) -> Result<OutgoingRequest<'a>, Failure> {
    let input = match template.needs_input() {
        true => items.iter().map(input_entry).collect::<Result<_, _>>()?,
        false => Value::Null,
    };
    let answers = &writer.requests.answers;
    let mut request = writer
        .client
        .prepare(template, answers, &input, &variables(writer))?;
    request.body = request.body.or_else(|| Some(record_list(items)));
    request.needs_body = false;
    request.permit = items.first().map(|item| item.permit).unwrap_or_default();
    Ok(request)
}

fn variables(writer: &SystemWriter) -> Variables {
    Variables {
        flow: Value::from(writer.flow.name.clone()),
        ..Variables::default()
    }
}

/// One entry of a body's input: `{ key, id, op, version, data }`.
fn input_entry(item: &WriteItem<'_>) -> Result<Value, Failure> {
    let value = |text: &str| Value::from(text.to_owned());
    let record = &item.claimed.record;
    let fields = [
        ("key", value(&record.key)),
        ("id", item.id.map_or(Value::Null, value)),
        ("op", value(record.op.as_str())),
        (
            "version",
            given(record.version.as_str(), record.version.is_text()),
        ),
        ("data", item.claimed.value()?),
    ];
    let fields = fields.map(|(name, field)| (value(name), field));
    Ok(Value::obj(fields.into_iter().collect()))
}

/// The JSON list of the mapped records.
fn record_list(items: &[WriteItem<'_>]) -> Bytes {
    let records: Vec<&str> = items
        .iter()
        .map(|item| item.claimed.record.data.get())
        .collect();
    format!("[{}]", records.join(",")).into()
}

/// An endpoint for many records that is not there says nothing about any record, except where it
/// deletes.
fn of_no_record(action: RecordAction, failure: Failure) -> Failure {
    match failure.class {
        FailureClass::Gone if action != RecordAction::Delete => Failure {
            class: FailureClass::Invalid,
            ..failure
        },
        _ => failure,
    }
}
