//! One page of a listing, whose rows are read as they arrive.

use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use pomost_expression::{Expression, Value, Variables, text};
use pomost_format::{BodyFormat, DecodeError, DecodeLimits, FormatSyntax, RowDecoder};
use pomost_http::{Failure, content_type, is_without_content};
use pomost_project::flow::{CursorSource, ListingRequest};
use pomost_rows::cursor;
use url::Url;

use super::{
    Source,
    page_request::{BodyStream, PageResponse},
};

use crate::{error::Error, paging::PagePosition};

/// Number of rows returned at a time, and of bytes of the answer read for them.
const ROWS_AT_A_TIME: usize = 1000;
const BYTES_AT_A_TIME: usize = 4 * 1024 * 1024;

/// A page of a listing, whose rows are read as they arrive.
pub struct PageReader<'a> {
    source: &'a Source,
    listing: &'a ListingRequest,
    position: PagePosition,
    variables: Variables,
    url: Url,
    status: StatusCode,
    headers: HeaderMap,
    body: BodyStream,
    decoder: RowDecoder,
    /// Makes records of each value that the decoder gives.
    records: &'a Expression,
    /// The decoder gives the whole answer as one value.
    is_whole: bool,
    is_empty: bool,
    body_ended: bool,
    rows: usize,
    hash: DefaultHasher,
}

/// The place at which the next run begins, as an answer names it.
pub struct SyncToken {
    /// The token, or the absolute URL.
    pub token: String,
    /// The source gave it as text: then it is text in expressions, even if it looks like a number.
    pub is_text: bool,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(
        source: &'a Source,
        listing: &'a ListingRequest,
        position: PagePosition,
        variables: Variables,
        url: Url,
        response: PageResponse,
    ) -> PageReader<'a> {
        let content_type = content_type(&response.headers);
        let format = BodyFormat::of_response(listing.format.as_ref(), content_type);
        let format = bounded(format, source.client.max_answer());
        let list = listing
            .streamed_list
            .as_ref()
            .filter(|_| format.syntax == FormatSyntax::Json);
        PageReader {
            source,
            listing,
            position,
            variables,
            url,
            status: response.status,
            headers: response.headers,
            body: response.body,
            decoder: RowDecoder::new(&format, list.map(|list| list.path.clone())),
            records: list.map_or(&listing.records, |list| &list.each),
            is_whole: list.is_none() && format.syntax.is_one_document(),
            is_empty: response.is_empty,
            body_ended: response.is_empty,
            rows: 0,
            hash: DefaultHasher::new(),
        }
    }

    /// The position of this page.
    pub fn position(&self) -> &PagePosition {
        &self.position
    }

    /// Reads the next rows; `None` after the last.
    pub async fn next_rows(&mut self) -> Result<Option<Vec<Value>>, Error> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < ROWS_AT_A_TIME && (bytes < BYTES_AT_A_TIME || rows.is_empty()) {
            match self.decoder.next() {
                Some(row) => self.add_row(row, &mut rows)?,
                None if self.body_ended => break,
                None => bytes += self.feed_decoder().await?,
            }
        }
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }

    /// Reads all rows that are left.
    pub async fn all_rows(&mut self) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        while let Some(rows) = self.next_rows().await? {
            all.extend(rows);
        }
        Ok(all)
    }

    /// A hash of all rows, once they have been read; `None` if there are none.
    pub fn hash(&self) -> Option<u64> {
        (self.rows > 0).then(|| self.hash.finish())
    }

    /// The position of the next page, once all rows have been read; `None` after the last page and
    /// after an answer without content.
    pub fn next_position(&self) -> Result<Option<PagePosition>, Error> {
        if self.is_empty {
            return Ok(None);
        }
        let next = self.position.next(
            &self.listing.paginate,
            self.decoder.envelope(),
            &self.headers,
            self.rows,
            &self.variables,
        );
        let next = next.map_err(|error| self.error_in("paginate", &error.message))?;
        Ok(next.map(|next| self.absolute(next)).transpose()?)
    }

    /// True unless the status (204, 304) says that there is nothing new: then no token is to be
    /// expected.
    pub fn expects_token(&self) -> bool {
        !is_without_content(self.status)
    }

    /// The token in the answer, once all rows have been read, if the listing looks for one and
    /// finds it.
    pub fn sync_token(&self) -> Result<Option<SyncToken>, Error> {
        let Some(rule) = self.listing.sync_token.as_ref().filter(|_| !self.is_empty) else {
            return Ok(None);
        };
        let error = |message: &str| self.error_in("cursor", message);
        let found = rule
            .value
            .one(self.decoder.envelope().clone(), &self.variables)
            .map_err(|failed| error(&failed.message))?;
        let token = match (&found, text(&found)) {
            (Value::Null, _) => return Ok(None),
            (_, Some(token)) if token.is_empty() => return Ok(None),
            (_, Some(token)) => token,
            (_, None) => {
                return Err(error("expected a token or a URL, and found something else"));
            }
        };
        let token = self.followed(token)?;
        if token.len() > cursor::MAX_BYTES {
            let (length, limit) = (token.len(), cursor::MAX_BYTES);
            return Err(error(&format!(
                "a token or URL of {length} bytes, more than {limit}"
            )));
        }
        Ok(Some(SyncToken {
            token,
            is_text: matches!(found, Value::TStr(_)),
        }))
    }

    /// Makes a token absolute and checks its host, where the flow's cursor is a link.
    fn followed(&self, token: String) -> Result<String, Failure> {
        let cursor = self.source.flow.extract.cursor.as_ref();
        match cursor.map(|cursor| &cursor.source) {
            Some(CursorSource::Link) => Ok(self.source.client.follow(&self.url, &token)?.into()),
            _ => Ok(token),
        }
    }

    fn add_row(
        &mut self,
        row: Result<Value, DecodeError>,
        rows: &mut Vec<Value>,
    ) -> Result<(), Error> {
        let row = row.map_err(|error| {
            Error::Permanent(format!(
                "{}: the answer cannot be read: {error}",
                self.listing.request.label
            ))
        })?;
        // A whole answer also names its own page, so of it only the records tell whether it repeats
        // another.
        if !self.is_whole {
            row.hash(&mut self.hash);
        }
        let records = self.records.outputs(row, &self.variables);
        let records = records.map_err(|error| self.error_in("records", &error.message))?;
        if self.is_whole {
            records.hash(&mut self.hash);
        }
        self.rows += if self.is_whole { records.len() } else { 1 };
        rows.extend(records);
        Ok(())
    }

    /// Feeds the decoder with the next chunk of the body, and returns its length in bytes.
    async fn feed_decoder(&mut self) -> Result<usize, Failure> {
        let Some(chunk) = self.body.next().await else {
            self.decoder.finish();
            self.body_ended = true;
            return Ok(0);
        };
        let chunk = chunk?;
        self.decoder.feed(&chunk);
        Ok(chunk.len())
    }

    /// Resolves the URL of a position against this page's own (RFC 3986 §5).
    fn absolute(&self, position: PagePosition) -> Result<PagePosition, Failure> {
        match position {
            PagePosition::Url(next) => Ok(PagePosition::Url(
                self.source.client.follow(&self.url, &next)?.into(),
            )),
            other => Ok(other),
        }
    }

    fn error_in(&self, section: &str, message: &str) -> Error {
        Error::Permanent(format!("{}.{section}: {message}", self.listing.place))
    }
}

/// Bounds a document that is held as one to the length that an answer may have.
fn bounded(format: BodyFormat, max_answer: u64) -> BodyFormat {
    let document = usize::try_from(max_answer).unwrap_or(usize::MAX);
    BodyFormat {
        limits: DecodeLimits {
            document,
            ..format.limits
        },
        ..format
    }
}
