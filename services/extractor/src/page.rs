//! One page of a listing, its rows as they come.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, StatusCode};
use pomost_expression::{Expression, Value, Variables, text};
use pomost_format::{BodyFormat, DecodeError, DecodeLimits, FormatSyntax, RowDecoder};
use pomost_http::{
    Failure, FailureClass, OutgoingRequest, Response, StreamLimits, content_type,
    is_without_content,
};
use pomost_project::{
    flow::{CursorRules, CursorSource, ListingRequest, Pagination},
    request::RequestTemplate,
};
use url::Url;

use crate::{
    cursor,
    extraction::{Error, Source},
    patience::Patience,
    position::Position,
};

/// A body, chunk by chunk.
type Body = BoxStream<'static, Result<Bytes, Failure>>;

/// What a listing answered.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// Whether it has nothing to say.
    is_empty: bool,
    body: Body,
}

/// How many rows come at a time, and how many bytes of the answer are read for that.
const TOGETHER: usize = 1000;
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;

/// A page of a listing, its rows as they come.
pub struct Page<'a> {
    source: &'a Source,
    listing: &'a ListingRequest,
    position: Position,
    variables: Variables,
    url: Url,
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    decoder: RowDecoder,
    /// What makes records of what the decoder gives, and whether that is the whole answer.
    each: &'a Expression,
    whole: bool,
    /// Whether the answer has nothing to say: no rows, and no page after it.
    is_empty: bool,
    ended: bool,
    rows: usize,
    hash: DefaultHasher,
}

/// What an answer says of where the next run begins.
pub struct SyncToken {
    /// The token, or the absolute URL.
    pub token: String,
    /// Whether it was given as text: then it is text in expressions, though it look like a number.
    pub is_text: bool,
}

impl Source {
    /// Asks for the page of a listing at a position.
    pub async fn open<'a>(
        &'a self,
        listing: &'a ListingRequest,
        position: &Position,
        variables: &Variables,
    ) -> Result<Page<'a>, Error> {
        let variables = Variables {
            page: position.variable(),
            ..variables.clone()
        };
        let call = self.page_call(listing, position, &variables)?;
        let url = call.url.clone();
        let Answered {
            status,
            headers,
            is_empty,
            body,
        } = self.answer(call).await?;
        if is_empty {
            self.may_be_empty(status, listing, position, &variables)?;
        }
        let format = self.bounded(BodyFormat::of_response(
            listing.format.as_ref(),
            content_type(&headers),
        ));
        let list = listing
            .streamed_list
            .as_ref()
            .filter(|_| format.syntax == FormatSyntax::Json);
        Ok(Page {
            source: self,
            listing,
            position: position.clone(),
            variables,
            url,
            status,
            headers,
            body,
            decoder: RowDecoder::new(&format, list.map(|list| list.path.clone())),
            each: list.map_or(&listing.records, |list| &list.each),
            whole: list.is_none() && format.syntax.is_one_document(),
            is_empty,
            ended: is_empty,
            rows: 0,
            hash: DefaultHasher::new(),
        })
    }

    /// The answer as it comes. Where its rows lead to requests of their own it comes as a whole: those take
    /// long, and a source that is kept waiting in the midst of an answer gives it up.
    async fn answer(&self, call: OutgoingRequest<'_>) -> Result<Answered, Failure> {
        let extract = &self.flow.extract;
        if extract.fetch.is_some() || extract.for_each.is_some() {
            let answer = self.ask(call).await?;
            let is_empty = answer.is_empty();
            let Response {
                status,
                headers,
                body,
                ..
            } = answer;
            return Ok(Answered {
                status,
                headers,
                is_empty,
                body: stream::iter([Ok(body)]).boxed(),
            });
        }
        let streamed = self
            .client
            .send_streaming(call, StreamLimits::default())
            .await?;
        let (status, headers, is_empty) = (
            streamed.status,
            streamed.headers.clone(),
            streamed.is_empty(),
        );
        Ok(Answered {
            status,
            headers,
            is_empty,
            body: streamed.boxed(),
        })
    }

    /// Whether an answer may have nothing to say. A page that an answer named is there, so a blank one in its place
    /// is a fault that may pass.
    fn may_be_empty(
        &self,
        status: StatusCode,
        listing: &ListingRequest,
        position: &Position,
        variables: &Variables,
    ) -> Result<(), Error> {
        let label = &listing.request.label;
        let is_named = position.is_named(&listing.paginate) && !self.begins_at(position, variables);
        if is_without_content(status) || !is_named {
            return self.may_sweep(status, label);
        }
        let message = format!(
            "{label} answered {status} without content for a page that the answer before named"
        );
        Err(Failure::new(FailureClass::Transient, message).into())
    }

    /// Whether a sweep may take records for missing after an answer without content: not where that does not say that
    /// there are none.
    fn may_sweep(&self, status: StatusCode, label: &str) -> Result<(), Error> {
        let hint = match status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => return Ok(()),
            StatusCode::NOT_MODIFIED => {
                "ask for all records, without If-Modified-Since and If-None-Match"
            }
            _ => "where there are no records, 204 or an empty list says so",
        };
        let message = format!(
            "{label} answered {status} and nothing else, which does not say what extract.sweep is to delete; {hint}"
        );
        self.flow
            .extract
            .sweep
            .map_or(Ok(()), |_| Err(Error::Source(message)))
    }

    /// Whether a run begins at that position: at the link that is its cursor.
    fn begins_at(&self, position: &Position, variables: &Variables) -> bool {
        let is_link = self
            .flow
            .extract
            .cursor
            .as_ref()
            .is_some_and(CursorRules::is_link);
        is_link
            && matches!(position, Position::Url(url) if text(&variables.cursor).as_ref() == Some(url))
    }

    /// What is read as one document is held, and so no longer than an answer may be.
    fn bounded(&self, format: BodyFormat) -> BodyFormat {
        let document = usize::try_from(self.client.max_answer()).unwrap_or(usize::MAX);
        BodyFormat {
            limits: DecodeLimits {
                document,
                ..format.limits
            },
            ..format
        }
    }

    /// Makes a request, again and again while that may help.
    pub async fn ask(&self, call: OutgoingRequest<'_>) -> Result<Response, Failure> {
        let mut patience = Patience::default();
        loop {
            match self.client.send(call.clone()).await {
                Err(failure) => {
                    patience
                        .wait(&self.client, &self.flow.name, failure)
                        .await?
                }
                answer => return answer,
            }
        }
    }

    /// The call that a request of the flow is for this input.
    pub fn call<'a>(
        &'a self,
        request: &'a RequestTemplate,
        input: &Value,
        variables: &Variables,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        self.client
            .prepare(request, &self.flow.extract.answers, input, variables)
    }

    fn page_call<'a>(
        &'a self,
        listing: &'a ListingRequest,
        position: &Position,
        variables: &Variables,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let mut call = self.call(&listing.request, &Value::Null, variables)?;
        call.format = listing.format.as_ref();
        if let Position::Url(next) = position {
            call.url = self.client.follow(&call.url, next)?;
            return Ok(call);
        }
        let token = listing
            .sync_token
            .as_ref()
            .and_then(|token| token.param.as_deref());
        let since = text(&variables.cursor).filter(|since| !since.is_empty());
        if let (Some(param), Some(since)) = (token, since) {
            call.url.query_pairs_mut().append_pair(param, &since);
        }
        if let (Some(param), Some(value)) = (param(&listing.paginate), position.value()) {
            call.url.query_pairs_mut().append_pair(param, &value);
        }
        Ok(call)
    }
}

impl Page<'_> {
    /// Where it is.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The next rows; none after the last.
    pub async fn rows(&mut self) -> Result<Option<Vec<Value>>, Error> {
        let (mut rows, mut fed) = (Vec::new(), 0);
        while rows.len() < TOGETHER && (fed < TOGETHER_BYTES || rows.is_empty()) {
            match self.decoder.next() {
                Some(row) => self.take(row, &mut rows)?,
                None if self.ended => break,
                None => fed += self.feed().await?,
            }
        }
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }

    /// All rows that are left.
    pub async fn all_rows(&mut self) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        while let Some(rows) = self.rows().await? {
            all.extend(rows);
        }
        Ok(all)
    }

    /// A hash of its rows, once they have all come; none where there are none.
    pub fn hash(&self) -> Option<u64> {
        (self.rows > 0).then(|| self.hash.finish())
    }

    /// Where the next page is, once all rows have come; none after the last page, which an answer is that has
    /// nothing to say.
    pub fn next(&self) -> Result<Option<Position>, Error> {
        if self.is_empty {
            return Ok(None);
        }
        let Page {
            listing, variables, ..
        } = self;
        let next = self.position.next(
            &listing.paginate,
            self.decoder.envelope(),
            &self.headers,
            self.rows,
            variables,
        );
        let next = next.map_err(|error| self.failed("paginate", &error.message))?;
        Ok(next.map(|next| self.absolute(next)).transpose()?)
    }

    /// Whether it has something to say, or should have: its status does not say that it has not.
    pub fn should_speak(&self) -> bool {
        !is_without_content(self.status)
    }

    /// What the answer says of where the next run begins, once all rows have come; none where it says nothing.
    pub fn sync_token(&self) -> Result<Option<SyncToken>, Error> {
        let Some(wanted) = self.listing.sync_token.as_ref().filter(|_| !self.is_empty) else {
            return Ok(None);
        };
        let failed = |message: &str| self.failed("cursor", message);
        let found = wanted
            .value
            .one(self.decoder.envelope().clone(), &self.variables);
        let found = found.map_err(|error| failed(&error.message))?;
        let token = match (&found, text(&found)) {
            (Value::Null, _) => return Ok(None),
            (_, Some(token)) if token.is_empty() => return Ok(None),
            (_, Some(token)) => token,
            (_, None) => {
                return Err(failed(
                    "expected a token or a URL, and found something else",
                ));
            }
        };
        let cursor = self.source.flow.extract.cursor.as_ref();
        let token = match cursor.map(|cursor| &cursor.source) {
            Some(CursorSource::Link) => self.source.client.follow(&self.url, &token)?.into(),
            _ => token,
        };
        if token.len() > cursor::LONGEST {
            let message = format!(
                "a token or URL of {} bytes, more than {}",
                token.len(),
                cursor::LONGEST
            );
            return Err(failed(&message));
        }
        Ok(Some(SyncToken {
            token,
            is_text: matches!(found, Value::TStr(_)),
        }))
    }

    fn take(
        &mut self,
        row: Result<Value, DecodeError>,
        rows: &mut Vec<Value>,
    ) -> Result<(), Error> {
        let row = row.map_err(|error| {
            Error::Source(format!(
                "{}: the answer cannot be read: {error}",
                self.listing.request.label
            ))
        })?;
        if !self.whole {
            row.hash(&mut self.hash);
        }
        let records = self.each.outputs(row, &self.variables);
        let records = records.map_err(|error| self.failed("records", &error.message))?;
        if self.whole {
            records.hash(&mut self.hash);
        }
        self.rows += if self.whole { records.len() } else { 1 };
        rows.extend(records);
        Ok(())
    }

    /// Reads on in the answer, and says how many bytes that was.
    async fn feed(&mut self) -> Result<usize, Failure> {
        let Some(chunk) = self.body.next().await else {
            self.decoder.finish();
            self.ended = true;
            return Ok(0);
        };
        let chunk = chunk?;
        self.decoder.feed(&chunk);
        Ok(chunk.len())
    }

    /// The position with its URL as seen from here (RFC 3986 §5).
    fn absolute(&self, position: Position) -> Result<Position, Failure> {
        match position {
            Position::Url(next) => Ok(Position::Url(
                self.source.client.follow(&self.url, &next)?.into(),
            )),
            other => Ok(other),
        }
    }

    fn failed(&self, what: &str, message: &str) -> Error {
        Error::Source(format!("{}.{what}: {message}", self.listing.place))
    }
}

fn param(paginate: &Pagination) -> Option<&str> {
    match paginate {
        Pagination::None | Pagination::Next(_) | Pagination::Link(_) => None,
        Pagination::Page { param, .. }
        | Pagination::Offset { param, .. }
        | Pagination::Token { param, .. } => param.as_deref(),
    }
}
