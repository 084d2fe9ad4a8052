//! The request about each row, for a listing that gives little more than ids (`extract.fetch`).

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{
    HeaderName, StatusCode,
    header::{IF_MODIFIED_SINCE, IF_NONE_MATCH},
};
use pomost_expression::{Value, Variables};
use pomost_http::{Failure, FailureClass, OutgoingRequest, Response, SendPermit};
use pomost_project::flow::FetchRequest;

use super::{RetryBackoff, Source};
use crate::error::Error;

/// Headers of a request that wants a row only if it has changed. To such a request, 304 does not
/// mean that the row is gone.
const CONDITION_HEADERS: [HeaderName; 2] = [IF_MODIFIED_SINCE, IF_NONE_MATCH];

/// A row after the source was asked about it.
#[derive(Debug)]
pub enum FetchedRow {
    /// The row as the source has it.
    Present(Value),
    /// The listed row, which the source does not have any more.
    Gone(Value),
    /// The listed row, and the reason for which the source does not give more of it.
    Refused(Value, String),
}

impl Source {
    /// Asks about each row of a page, and returns them in the same order; without `extract.fetch`,
    /// the rows stay as they were listed.
    pub async fn fetch_rows(
        &self,
        rows: Vec<Value>,
        variables: &Variables,
    ) -> Result<Vec<FetchedRow>, Error> {
        let Some(fetch) = &self.flow.extract.fetch else {
            return Ok(rows.into_iter().map(FetchedRow::Present).collect());
        };
        let fetches: Vec<_> = rows
            .into_iter()
            .map(|row| self.fetch_with_retries(fetch, row, variables))
            .collect();
        stream::iter(fetches)
            .buffered(self.client.concurrency())
            .try_collect()
            .await
    }

    async fn fetch_with_retries(
        &self,
        fetch: &FetchRequest,
        row: Value,
        variables: &Variables,
    ) -> Result<FetchedRow, Error> {
        let mut backoff = RetryBackoff::default();
        loop {
            let permit = SendPermit::default();
            match self.fetch_row(fetch, &row, variables, permit).await {
                Ok(row) => return Ok(row),
                // A request error would have the page read again, which would ask about all its
                // rows again.
                Err(failure) => backoff
                    .wait(self, failure)
                    .await
                    .map_err(|failure| Error::Permanent(failure.with_title()))?,
            }
        }
    }

    /// Asks about a row once, if the permit still holds when its request may be sent. An error is
    /// the source's fault, or may pass; a row that is at fault itself is a refused one.
    pub(crate) async fn fetch_row(
        &self,
        fetch: &FetchRequest,
        row: &Value,
        variables: &Variables,
        permit: SendPermit<'_>,
    ) -> Result<FetchedRow, Failure> {
        let request = match self.prepare(&fetch.request, row, variables) {
            Ok(request) => OutgoingRequest {
                format: fetch.format.as_ref(),
                permit,
                ..request
            },
            Err(failure) => return Ok(FetchedRow::Refused(row.clone(), failure.message)),
        };
        let is_conditional = CONDITION_HEADERS
            .iter()
            .any(|header| request.headers.contains_key(header));
        match self.client.send(request).await {
            Ok(response) if response.status == StatusCode::NOT_MODIFIED && is_conditional => {
                let error = format!("{} answered 304 Not Modified", fetch.request.label);
                Ok(FetchedRow::Refused(row.clone(), error))
            }
            Ok(response) => Ok(read_response(fetch, row, &response, variables)),
            Err(failure) => match failure.class {
                FailureClass::Gone => Ok(FetchedRow::Gone(row.clone())),
                FailureClass::Invalid | FailureClass::Conflict => {
                    Ok(FetchedRow::Refused(row.clone(), failure.message))
                }
                _ => Err(failure),
            },
        }
    }
}

fn read_response(
    fetch: &FetchRequest,
    row: &Value,
    response: &Response,
    variables: &Variables,
) -> FetchedRow {
    if response.is_empty() {
        return FetchedRow::Gone(row.clone());
    }
    match response.value(fetch.format.as_ref()) {
        Ok(value) => select_record(fetch, row, value, variables),
        Err(error) => {
            let label = &fetch.request.label;
            let error = format!("{label}: the answer cannot be read: {error}");
            FetchedRow::Refused(row.clone(), error)
        }
    }
}

/// Applies `extract.fetch.record`; where it finds null, the source does not have the row any more.
fn select_record(
    fetch: &FetchRequest,
    row: &Value,
    answer: Value,
    variables: &Variables,
) -> FetchedRow {
    let Some(record) = &fetch.record else {
        return FetchedRow::Present(answer);
    };
    match record.one(answer, variables) {
        Ok(Value::Null) => FetchedRow::Gone(row.clone()),
        Ok(record) => FetchedRow::Present(record),
        Err(error) => {
            let error = format!("extract.fetch.record: {}", error.message);
            FetchedRow::Refused(row.clone(), error)
        }
    }
}
