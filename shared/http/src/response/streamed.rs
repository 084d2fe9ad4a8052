//! Responses whose bodies are read as they come.

use std::{
    borrow::Cow,
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderMap, StatusCode};

use super::{
    body::{BodyError, BodyStream},
    is_empty,
};
use crate::Failure;

/// The length of the part of a body that is read before the response is returned, in bytes.
const BEGINNING_BYTES: usize = 1024 * 1024;

/// The bounds of a response that is read as it comes, beside the system's `read_timeout`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamLimits {
    /// The longest body in bytes, as it comes and decompressed; none where the reader does not keep
    /// it.
    pub max_bytes: Option<u64>,
    /// The time for all of the response.
    pub timeout: Option<Duration>,
}

/// A response that is a success, its body still to be read: a stream of chunks, decompressed, that
/// ends at its first failure.
///
/// It has no place among the requests in flight any more: its reader may be waiting for those that
/// have.
pub struct StreamedResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The chunks of the body that have come.
    beginning: VecDeque<Bytes>,
    /// True if `beginning` is the whole body.
    is_whole: bool,
    rest: BoxStream<'static, Result<Bytes, Failure>>,
}

impl StreamedResponse {
    /// Reads the beginning of a body. Failures of the body begin with `place`.
    pub(crate) async fn new(
        status: StatusCode,
        headers: HeaderMap,
        body: BodyStream,
        place: String,
    ) -> Result<StreamedResponse, Failure> {
        let failed =
            move |error: BodyError| Failure::new(error.class(), format!("{place}: {error}"));
        let mut rest = body.map_err(failed).fuse();
        let (mut beginning, mut length) = (VecDeque::new(), 0);
        while length < BEGINNING_BYTES
            && let Some(chunk) = rest.try_next().await?
        {
            length += chunk.len();
            beginning.push_back(chunk);
        }
        let is_whole = rest.is_done();
        Ok(StreamedResponse {
            status,
            headers,
            beginning,
            is_whole,
            rest: rest.boxed(),
        })
    }

    /// Returns true if the response has no content: a 204, a 304, or a body with nothing in it. To
    /// be asked before it is read.
    pub fn is_empty(&self) -> bool {
        self.is_whole && is_empty(self.status, &self.beginning)
    }

    /// Returns the beginning of the body, of so many bytes if that many have come.
    pub(crate) fn beginning(&self, length: usize) -> Cow<'_, [u8]> {
        match self.beginning.front() {
            Some(first) if self.beginning.len() == 1 || first.len() >= length => first[..].into(),
            _ => {
                let bytes = self.beginning.iter().flatten().copied();
                bytes.take(length).collect()
            }
        }
    }
}

impl Stream for StreamedResponse {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.beginning.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None => self.rest.poll_next_unpin(context),
        }
    }
}
