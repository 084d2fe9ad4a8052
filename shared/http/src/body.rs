//! Bodies of answers: decompressed, and bounded on both sides of that.

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
use tokio::{io::AsyncRead, time::timeout};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::{FailureClass, failure};

/// The codings that are asked for (RFC 9110 §8.4.1, RFC 8878).
pub(crate) const CODINGS: &str = "gzip, deflate, zstd";

/// The memory that a zstd frame may ask for, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// How much is decompressed at a time.
const CHUNK: usize = 64 * 1024;

/// A body, decompressed, chunk by chunk.
pub(crate) type Body = BoxStream<'static, Result<Bytes, BodyError>>;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
    /// Nothing came for too long.
    #[error("the answer stopped in its midst: nothing came for {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// It is longer than allowed, as it came or decompressed.
    #[error("the answer is longer than {0}; ask for smaller pages, or raise max_answer")]
    TooLong(ByteSize),
    /// It is compressed in a way that was not asked for.
    #[error("the answer is compressed by '{0}', expected one of {CODINGS}")]
    Coding(String),
    /// It is not what its coding says.
    #[error("the answer cannot be decompressed: {0}")]
    Damaged(String),
}

impl BodyError {
    /// What is to be done about it.
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            BodyError::Broken(_) | BodyError::Silent(_) | BodyError::Damaged(_) => {
                FailureClass::Transient
            }
            BodyError::TooLong(_) | BodyError::Coding(_) => FailureClass::Invalid,
        }
    }
}

/// The body of an answer. Neither what comes nor what it decompresses to may be longer than `limit`
/// bytes, and it may not be silent for longer than `patience` while it is waited for.
pub(crate) async fn of(
    response: reqwest::Response,
    limit: Option<u64>,
    patience: Duration,
) -> Result<Body, BodyError> {
    let coding = coding(response.headers());
    let broken = |error: reqwest::Error| BodyError::Broken(failure::chain(&error.without_url()));
    let came = heard(response.bytes_stream().map_err(broken).boxed(), patience);
    let mut raw = bounded(came, limit).peekable();
    // An empty body has no coding, whatever the header says: an answer to HEAD, a 204.
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
            let window = DParameter::window_log_max(ZSTD_WINDOW);
            let mut decoder = ZstdDecoder::with_params(reader, &[window]);
            decoder.multiple_members(true);
            Ok(decompressed(decoder, limit))
        }
        Some(other) => Err(BodyError::Coding(other.chars().take(40).collect())),
    }
}

/// All of a body.
pub(crate) async fn whole(mut body: Body) -> Result<Bytes, BodyError> {
    let Some(first) = body.try_next().await? else {
        return Ok(Bytes::new());
    };
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

/// What comes, as long as it comes in time. Time in which nobody asks for more does not count: whoever
/// reads may be waiting for a queue.
fn heard(body: Body, patience: Duration) -> Body {
    let next = move |mut body: Body| async move {
        let chunk = timeout(patience, body.next())
            .await
            .unwrap_or(Some(Err(BodyError::Silent(patience))));
        chunk.map(|chunk| (chunk, body))
    };
    stream::unfold(body, next).boxed()
}

fn decompressed(decoder: impl AsyncRead + Send + 'static, limit: Option<u64>) -> Body {
    bounded(
        ReaderStream::with_capacity(decoder, CHUNK)
            .map_err(body_error)
            .boxed(),
        limit,
    )
}

/// The error that a reader carried through, or what the decoder found.
fn body_error(error: io::Error) -> BodyError {
    match error.downcast::<BodyError>() {
        Ok(error) => error,
        Err(error) => BodyError::Damaged(error.to_string()),
    }
}

fn bounded(body: Body, limit: Option<u64>) -> Body {
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
