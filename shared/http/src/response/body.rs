//! Bodies of responses: decompressed, and bounded on both sides of that.

use std::{io, pin::Pin, time::Duration};

use async_compression::{
    tokio::bufread::{GzipDecoder, ZlibDecoder, ZstdDecoder},
    zstd::DParameter,
};
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, header};
use pomost_models::ByteSize;
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::{Clock, FailureClass, TransportFailure};

/// The codings that are asked for (RFC 9110 §8.4.1, RFC 8878).
pub(crate) const CODINGS: &str = "gzip, deflate, zstd";

/// The memory that a zstd frame may ask for, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

/// The length of a decompressed chunk, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A body as it comes from the transport, chunk by chunk.
type RawBody = BoxStream<'static, Result<Bytes, TransportFailure>>;

/// A body, decompressed, chunk by chunk.
pub(crate) type BodyStream = BoxStream<'static, Result<Bytes, BodyError>>;

/// The bounds of a body.
pub(crate) struct BodyBounds {
    /// The longest body in bytes, as it comes and decompressed.
    pub(crate) max_bytes: Option<u64>,
    /// The longest time without anything coming, while the reader waits for it.
    pub(crate) read_timeout: Duration,
    pub(crate) clock: Clock,
}

/// A body that was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection broke, or the request's time was over.
    #[error("{0}")]
    Broken(String),
    /// Nothing came for so long.
    #[error("the answer stopped in its midst: nothing came for {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The body is longer than allowed, as it came or decompressed.
    #[error("the answer is longer than {0}; ask for smaller pages, or raise max_answer")]
    TooLong(ByteSize),
    /// The body is compressed in a way that was not asked for.
    #[error("the answer is compressed by '{0}', expected one of {CODINGS}")]
    UnknownCoding(String),
    /// The body is not of its coding.
    #[error("the answer cannot be decompressed: {0}")]
    Damaged(String),
}

impl BodyError {
    /// Returns the class of the request's failure.
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            BodyError::Broken(_) | BodyError::Silent(_) | BodyError::Damaged(_) => {
                FailureClass::Transient
            }
            BodyError::TooLong(_) | BodyError::UnknownCoding(_) => FailureClass::Invalid,
        }
    }
}

/// Decompresses a body by the coding that its headers name.
pub(crate) async fn decoded(
    body: RawBody,
    headers: &HeaderMap,
    bounds: BodyBounds,
) -> Result<BodyStream, BodyError> {
    let (coding, limit) = (coding(headers), bounds.max_bytes);
    let broken = |failure: TransportFailure| BodyError::Broken(failure.message);
    let came = within_read_timeout(body.map_err(broken).boxed(), bounds);
    let mut raw = bounded(came, limit).peekable();
    // An empty body has no coding, whatever the header says: a response to HEAD, a 204.
    if Pin::new(&mut raw).peek().await.is_none() {
        return Ok(stream::empty().boxed());
    }
    let reader = StreamReader::new(raw.map_err(io::Error::other));
    match coding.as_deref() {
        None | Some("identity") => Ok(reader.into_inner().map_err(body_error).boxed()),
        Some("gzip" | "x-gzip") => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Ok(decompressed(decoder, limit))
        }
        Some("deflate") => Ok(decompressed(ZlibDecoder::new(reader), limit)),
        Some("zstd") => {
            let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
            let mut decoder = ZstdDecoder::with_params(reader, &[window]);
            decoder.multiple_members(true);
            Ok(decompressed(decoder, limit))
        }
        Some(other) => Err(BodyError::UnknownCoding(other.chars().take(40).collect())),
    }
}

/// Reads and decompresses all of a body.
pub(crate) async fn whole(
    body: RawBody,
    headers: &HeaderMap,
    bounds: BodyBounds,
) -> Result<Bytes, BodyError> {
    let mut body = decoded(body, headers, bounds).await?;
    let Some(first) = body.try_next().await? else {
        return Ok(Bytes::new());
    };
    // Most bodies are one chunk, which needs no copy.
    let Some(second) = body.try_next().await? else {
        return Ok(first);
    };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while let Some(chunk) = body.try_next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// Ends a body with an error when nothing comes for too long. Time in which the reader asks for
/// nothing does not count: it may be waiting for a queue.
fn within_read_timeout(body: BodyStream, bounds: BodyBounds) -> BodyStream {
    let BodyBounds {
        read_timeout,
        clock,
        ..
    } = bounds;
    let next = move |(mut body, clock): (BodyStream, Clock)| async move {
        let chunk = clock
            .within(read_timeout, body.next())
            .await
            .unwrap_or(Some(Err(BodyError::Silent(read_timeout))));
        chunk.map(|chunk| (chunk, (body, clock)))
    };
    stream::unfold((body, clock), next).boxed()
}

fn decompressed(decoder: impl AsyncRead + Send + 'static, limit: Option<u64>) -> BodyStream {
    bounded(
        ReaderStream::with_capacity(decoder, CHUNK_BYTES)
            .map_err(body_error)
            .boxed(),
        limit,
    )
}

/// Returns the error that a reader carried through, or the one that the decoder found.
fn body_error(error: io::Error) -> BodyError {
    match error.downcast::<BodyError>() {
        Ok(error) => error,
        Err(error) => BodyError::Damaged(error.to_string()),
    }
}

fn bounded(body: BodyStream, limit: Option<u64>) -> BodyStream {
    let Some(limit) = limit else { return body };
    let counted = body.scan(0_u64, move |length, chunk| {
        let counted = chunk.and_then(|chunk| {
            *length += chunk.len() as u64;
            if *length > limit {
                Err(BodyError::TooLong(ByteSize(limit)))
            } else {
                Ok(chunk)
            }
        });
        std::future::ready(Some(counted))
    });
    counted.boxed()
}

fn coding(headers: &HeaderMap) -> Option<String> {
    let all: Vec<_> = headers.get_all(header::CONTENT_ENCODING).iter().collect();
    let text = all.iter().map(|value| {
        String::from_utf8_lossy(value.as_bytes())
            .trim()
            .to_ascii_lowercase()
    });
    (!all.is_empty()).then(|| text.collect::<Vec<_>>().join(", "))
}
