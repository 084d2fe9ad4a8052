//! Asking about each row, where a list gives little more than ids.

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{
    HeaderName, StatusCode,
    header::{IF_MODIFIED_SINCE, IF_NONE_MATCH},
};
use pomost_expression::{Value, Variables};
use pomost_http::{Failure, FailureClass, OutgoingRequest, SendPermit};
use pomost_project::flow::FetchRequest;

use crate::{
    extraction::{Error, Source},
    patience::Patience,
};

/// What a request says that wants a row only if it has changed: then a 304 is no sign that it is gone.
const CONDITIONS: [HeaderName; 2] = [IF_MODIFIED_SINCE, IF_NONE_MATCH];

/// A row as the source has it.
#[derive(Debug)]
pub enum Row {
    /// It is there.
    There(Value),
    /// The source listed it and does not have it any more.
    Gone(Value),
    /// The source refuses to say.
    Refused(Value, String),
}

impl Source {
    /// The rows of a page, each in the place of what its list said of it, in the same order.
    pub async fn fetched(
        &self,
        rows: Vec<Value>,
        variables: &Variables,
    ) -> Result<Vec<Row>, Error> {
        let Some(fetch) = &self.flow.extract.fetch else {
            return Ok(rows.into_iter().map(Row::There).collect());
        };
        let fetching: Vec<_> = rows
            .into_iter()
            .map(|row| self.fetch_patiently(fetch, row, variables))
            .collect();
        stream::iter(fetching)
            .buffered(self.client.concurrency())
            .try_collect()
            .await
    }

    /// Asks about a row again and again while that may help.
    async fn fetch_patiently(
        &self,
        fetch: &FetchRequest,
        row: Value,
        variables: &Variables,
    ) -> Result<Row, Error> {
        let mut patience = Patience::default();
        loop {
            let failure = match self
                .fetch(fetch, &row, variables, SendPermit::default())
                .await
            {
                Ok(row) => return Ok(row),
                Err(failure) => failure,
            };
            let waited = patience.wait(&self.client, &self.flow.name, failure).await;
            // It has been asked for often enough.
            waited.map_err(|failure| Error::Source(failure.with_title()))?;
        }
    }

    /// Asks about a row once, if that is still permitted when its turn comes. A failure is of the source,
    /// or may pass; what is wrong with the row itself is a row that is refused.
    pub(crate) async fn fetch(
        &self,
        fetch: &FetchRequest,
        row: &Value,
        variables: &Variables,
        permit: SendPermit<'_>,
    ) -> Result<Row, Failure> {
        let call = match self.call(&fetch.request, row, variables) {
            Ok(call) => OutgoingRequest {
                format: fetch.format.as_ref(),
                permit,
                ..call
            },
            Err(failure) => return Ok(Row::Refused(row.clone(), failure.message)),
        };
        let is_conditional = CONDITIONS
            .iter()
            .any(|condition| call.headers.contains_key(condition));
        match self.client.send(call).await {
            Ok(answer) if answer.status == StatusCode::NOT_MODIFIED && is_conditional => {
                Ok(Row::Refused(
                    row.clone(),
                    format!("{} answered 304 Not Modified", fetch.request.label),
                ))
            }
            Ok(answer) if answer.is_empty() => Ok(Row::Gone(row.clone())),
            Ok(answer) => match answer.value(fetch.format.as_ref()) {
                Ok(value) => Ok(record(fetch, row, value, variables)),
                Err(error) => Ok(Row::Refused(
                    row.clone(),
                    format!(
                        "{}: the answer cannot be read: {error}",
                        fetch.request.label
                    ),
                )),
            },
            Err(failure) if failure.class == FailureClass::Gone => Ok(Row::Gone(row.clone())),
            Err(failure)
                if matches!(
                    failure.class,
                    FailureClass::Invalid | FailureClass::Conflict
                ) =>
            {
                Ok(Row::Refused(row.clone(), failure.message))
            }
            Err(failure) => Err(failure),
        }
    }
}

fn record(fetch: &FetchRequest, row: &Value, answer: Value, variables: &Variables) -> Row {
    let Some(record) = &fetch.record else {
        return Row::There(answer);
    };
    match record.one(answer, variables) {
        Ok(Value::Null) => Row::Gone(row.clone()),
        Ok(record) => Row::There(record),
        Err(error) => Row::Refused(
            row.clone(),
            format!("extract.fetch.record: {}", error.message),
        ),
    }
}
