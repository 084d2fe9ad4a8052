//! Answers whose bodies are read as they come.

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

use crate::{
    Failure, answer,
    body::{Body, BodyError},
};

/// How much of a body is read before anything else is done with it, in bytes.
const SHORT: usize = 1024 * 1024;

/// What an answer that is read as it comes is bounded by, beside the system's `read_timeout`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamLimits {
    /// The longest body in bytes, as it comes and decompressed; none where whoever reads it does not
    /// keep it.
    pub max_bytes: Option<u64>,
    /// How long all of it may take.
    pub timeout: Option<Duration>,
}

/// An answer that is what was asked for, its body still to be read: a stream of chunks, decompressed,
/// that ends at its first failure.
///
/// It is no request in flight any more: whoever reads it may be waiting for those that are.
pub struct StreamedResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// What has come of its body, and whether that is all.
    begun: VecDeque<Bytes>,
    is_whole: bool,
    rest: BoxStream<'static, Result<Bytes, Failure>>,
}

impl StreamedResponse {
    /// What is short is read at once. `place` is what failures of the body begin with.
    pub(crate) async fn new(
        (status, headers, body): (StatusCode, HeaderMap, Body),
        place: String,
    ) -> Result<StreamedResponse, Failure> {
        let failed =
            move |error: BodyError| Failure::new(error.class(), format!("{place}: {error}"));
        let mut rest = body.map_err(failed).fuse();
        let (mut begun, mut length) = (VecDeque::new(), 0);
        while length < SHORT
            && let Some(chunk) = rest.try_next().await?
        {
            length += chunk.len();
            begun.push_back(chunk);
        }
        let is_whole = rest.is_done();
        Ok(StreamedResponse {
            status,
            headers,
            begun,
            is_whole,
            rest: rest.boxed(),
        })
    }

    /// Whether it has nothing to say: a 204, a 304, or a body with nothing in it. To be asked before it is read.
    pub fn is_empty(&self) -> bool {
        self.is_whole && answer::is_empty(self.status, &self.begun)
    }

    /// The beginning of its body, of so many bytes if that many have come.
    pub(crate) fn beginning(&self, length: usize) -> Cow<'_, [u8]> {
        match self.begun.front() {
            Some(first) if self.begun.len() == 1 || first.len() >= length => first[..].into(),
            _ => self.begun.iter().flatten().copied().take(length).collect(),
        }
    }
}

impl Stream for StreamedResponse {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.begun.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None => self.rest.poll_next_unpin(context),
        }
    }
}
