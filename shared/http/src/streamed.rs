//! Answers whose bodies are read as they come.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderMap, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Failure,
    body::{Body, BodyError},
};

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
/// It counts as a request in flight until it is dropped.
pub struct Streamed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: BoxStream<'static, Result<Bytes, Failure>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Streamed {
    /// `place` is what failures of the body begin with.
    pub(crate) fn new(
        (status, headers, body): (StatusCode, HeaderMap, Body),
        place: String,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Streamed {
        let failed = move |error: BodyError| Failure::new(error.class(), format!("{place}: {error}"));
        Streamed { status, headers, body: body.map_err(failed).boxed(), _permit: permit }
    }
}

impl Stream for Streamed {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.body.poll_next_unpin(context)
    }
}
