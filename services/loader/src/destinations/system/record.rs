//! The requests for one record.

use std::fmt;

use async_trait::async_trait;
use http::{Method, StatusCode};
use pomost_expression::Expression;
use pomost_http::{Failure, FailureClass, OutgoingRequest, Response};
use pomost_project::flow::{IfMatch, UpdateRequest};
use pomost_store::KnownRecord;
use url::Url;

use super::{SystemWriter, no_request, read_id, requests::show};
use crate::destinations::{
    PlannedWrite, RecordAction, WriteItem, WriteReceipt, WriteResult, is_precondition_failure,
    with_unknown_effect, without_effect,
};

/// A request for one record that was planned.
pub(super) struct PlannedRequest<'a> {
    writer: &'a SystemWriter,
    action: RecordAction,
    item: &'a WriteItem<'a>,
    request: OutgoingRequest<'a>,
}

impl fmt::Display for PlannedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.request, f)
    }
}

#[async_trait]
impl PlannedWrite for PlannedRequest<'_> {
    async fn perform(self: Box<Self>) -> Result<Vec<WriteResult>, Failure> {
        let result = match self.action {
            RecordAction::LookUp => self.look_up().await,
            RecordAction::Create => self.create().await,
            RecordAction::Update | RecordAction::Delete => self.change().await,
        };
        Ok(vec![result])
    }
}

impl<'a> PlannedRequest<'a> {
    pub(super) fn new(
        writer: &'a SystemWriter,
        action: RecordAction,
        item: &'a WriteItem<'a>,
    ) -> Result<PlannedRequest<'a>, Failure> {
        let request = match action {
            RecordAction::LookUp => {
                writer.fill(writer.template(action).ok_or_else(no_request)?, item, None)?
            }
            _ => writer.write_request(action, item)?,
        };
        Ok(PlannedRequest {
            writer,
            action,
            item,
            request,
        })
    }

    async fn look_up(self) -> WriteResult {
        // The request is moved, and its URL says if the answer is about the record alone.
        let url = self.request.url.clone();
        let response = match self.writer.client.send(self.request).await {
            Ok(response) => response,
            Err(failure) if failure.class == FailureClass::Gone => {
                return Ok(WriteReceipt::default());
            }
            Err(failure) => return Err(failure),
        };
        if response.is_empty() {
            return nothing_found(self.item, response.status);
        }
        let expression = self
            .writer
            .id_expression(self.action)
            .ok_or_else(no_request)?;
        let id = id_in(self.writer, self.item, &response, expression)?;
        let etag = self.writer.etag(&response).filter(|_| {
            id.as_ref()
                .is_some_and(|id| is_at(self.writer, self.item, &url, id))
        });
        Ok(WriteReceipt { id, etag })
    }

    async fn create(self) -> WriteResult {
        let response = self.writer.client.send(self.request).await?;
        let etag = self.writer.etag(&response);
        let Some(expression) = self.writer.id_expression(self.action) else {
            return Ok(WriteReceipt { id: None, etag });
        };
        let id =
            id_in(self.writer, self.item, &response, expression).map_err(with_unknown_effect)?;
        if id.is_none() {
            let message = "the answer to a create has no id where load.create.id looks for it";
            let failure = Failure::new(FailureClass::Invalid, message.into());
            return Err(with_unknown_effect(failure));
        }
        Ok(WriteReceipt { id, etag })
    }

    /// Updates or deletes the record; where the flow says so, on condition that nobody else has
    /// changed it since it was last written or read.
    async fn change(self) -> WriteResult {
        let PlannedRequest {
            writer,
            action,
            item,
            request,
        } = self;
        let change = writer.change(action).ok_or_else(no_request)?;
        let overwrites = change.if_match == Some(IfMatch::Overwrite) || item.overwrites;
        let sent = match writer.client.send(request).await {
            Err(failure)
                if change.if_match.is_some() && is_precondition_failure(&failure) && overwrites =>
            {
                overwrite(writer, action, change, item, failure).await
            }
            sent => sent,
        };
        sent.map(|response| WriteReceipt {
            id: None,
            etag: writer.etag(&response),
        })
    }
}

/// Makes a change that was refused once more, on condition of the record's present state.
async fn overwrite(
    writer: &SystemWriter,
    action: RecordAction,
    change: &UpdateRequest,
    item: &WriteItem<'_>,
    refused: Failure,
) -> Result<Response, Failure> {
    let etag = match current_etag(writer, change, item).await {
        Ok(etag) => etag,
        // A state that cannot be asked for says less than the refusal of the change.
        Err(failure) if failure.class == FailureClass::Invalid => return Err(refused),
        Err(failure) => return Err(without_effect(failure)),
    };
    let known = KnownRecord {
        etag,
        ..item.known.clone()
    };
    let item = WriteItem {
        known: &known,
        ..*item
    };
    let request = writer
        .write_request(action, &item)
        .map_err(without_effect)?;
    writer.client.send(request).await
}

/// Asks for the entity tag of what is where the record would be changed.
async fn current_etag(
    writer: &SystemWriter,
    change: &UpdateRequest,
    item: &WriteItem<'_>,
) -> Result<Option<String>, Failure> {
    let request = writer.fill(&change.request, item, item.id)?;
    let label = format!(
        "GET {}",
        request.label.split_once(' ').map_or("", |(_, path)| path)
    );
    let request = OutgoingRequest {
        method: Method::GET,
        label: &label,
        body: None,
        ..request
    };
    let response = writer.client.send(request).await?;
    Ok(writer.etag(&response))
}

/// Reads an answer with nothing in it to a lookup: nothing was found. While a create is in doubt
/// only a status that says so by itself is believed: behind a gateway that blanks answers, the
/// record would be created twice.
fn nothing_found(item: &WriteItem<'_>, status: StatusCode) -> WriteResult {
    let says_so = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&status);
    if says_so || !item.create_in_doubt {
        return Ok(WriteReceipt::default());
    }
    let message = format!(
        "the look-up was answered {status} without content, which does not say if an earlier create took place"
    );
    Err(Failure::new(FailureClass::Transient, message))
}

fn id_in(
    writer: &SystemWriter,
    item: &WriteItem<'_>,
    response: &Response,
    expression: &Expression,
) -> Result<Option<String>, Failure> {
    // It may be a page that says "we are moving house", with the wrong status: that passes.
    let body = response.value(None).map_err(|error| {
        let message = format!("the answer cannot be read: {error}");
        Failure::new(FailureClass::Transient, message)
    })?;
    read_id(expression, body, &writer.variables(item, None))
}

/// True if that URL is the record's own, and not of a list that the record was found in.
fn is_at(writer: &SystemWriter, item: &WriteItem<'_>, url: &Url, id: &str) -> bool {
    writer.changes().any(|change| {
        writer
            .fill(&change.request, item, Some(id))
            .is_ok_and(|request| request.url == *url)
    })
}
