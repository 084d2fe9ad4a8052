//! Responses, and what they mean.

pub(crate) mod body;
pub(crate) mod meaning;
pub(crate) mod number_as_time;
pub(crate) mod rate_limit_headers;
mod streamed;
pub(crate) mod web_page;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pomost_expression::{Value, read};
use pomost_format::{BodyFormat, DecodeError, decode};

pub use streamed::{StreamLimits, StreamedResponse};

use crate::authorisation::Credential;
use web_page::{is_called_web_page, is_web_page};

/// A response that is a success: by its status (2xx), or by a rule.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, decompressed; empty where it could not be read.
    pub body: Bytes,
    /// The reason why the body could not be read.
    pub(crate) unread: Option<String>,
    /// The credential of the request.
    pub(crate) credential: Option<Arc<Credential>>,
}

/// A response without a value.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableBody {
    /// The body did not come, or not as it was asked for.
    #[error("{0}")]
    Body(String),
    /// The body is not of its format.
    #[error(transparent)]
    Content(#[from] DecodeError),
}

impl Response {
    /// Returns a text of the response without the secrets of the request: a system may echo what it
    /// was sent.
    pub fn without_secrets(&self, text: &str) -> String {
        self.credential
            .as_ref()
            .map_or_else(|| text.to_owned(), |credential| credential.hide(text))
    }

    /// Returns true if the response has no content: a 204, a 304, or a body with nothing in it.
    pub fn is_empty(&self) -> bool {
        self.unread.is_none() && is_empty(self.status, [&self.body])
    }

    /// Reads the whole body as one value: in the given format, or else the one that its
    /// Content-Type names, or else JSON. Of a format with rows it is the list of them.
    pub fn value(&self, given: Option<&BodyFormat>) -> Result<Value, UnreadableBody> {
        if let Some(reason) = &self.unread {
            return Err(UnreadableBody::Body(reason.clone()));
        }
        let format = BodyFormat::of_response(given, content_type(&self.headers));
        let (rows, _) = decode(&format, None, &self.body)?;
        Ok(match format.syntax.is_one_document() {
            true => rows.into_iter().next().unwrap_or(Value::Null),
            false => rows.into_iter().collect(),
        })
    }

    /// Returns true for a web page where this format was expected. One whose body could not be read
    /// is known by its Content-Type alone.
    pub(crate) fn is_web_page(&self, expected: Option<&BodyFormat>) -> bool {
        match self.unread {
            Some(_) => is_called_web_page(&self.headers),
            None => is_web_page(&self.headers, &self.body, expected),
        }
    }

    /// Returns `{status, headers, body}`. A body that is not JSON is text, and several headers of
    /// one name are one, joined by commas (RFC 9110 §5.3).
    pub(crate) fn parts(&self) -> Value {
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
        let header = |name: &HeaderName| {
            let values: Vec<_> = self
                .headers
                .get_all(name)
                .iter()
                .map(HeaderValue::as_bytes)
                .collect();
            (
                Value::from(name.as_str().to_owned()),
                text(&values.join(&b", "[..])),
            )
        };
        let body = read(&self.body).unwrap_or_else(|_| text(&self.body));
        let status = Value::from(isize::from(self.status.as_u16() as i16));
        let parts = [
            ("status", status),
            ("headers", object(self.headers.keys().map(header))),
            ("body", body),
        ];
        object(parts.map(|(name, part)| (Value::from(name.to_owned()), part)))
    }
}

/// Returns the Content-Type that headers name.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

/// Returns true if a status says by itself that there is no content. With any other status, an
/// empty body may be all that a broken proxy has left of a response.
pub fn is_without_content(status: StatusCode) -> bool {
    [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::NOT_MODIFIED,
    ]
    .contains(&status)
}

/// Returns true if there is no content: by the status (RFC 9110 §15.3.5, §15.3.6, §15.4.5), or
/// because all of the body has come and there is nothing in it.
pub(crate) fn is_empty(
    status: StatusCode,
    body: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> bool {
    let is_blank = |chunk: &[u8]| chunk.iter().all(u8::is_ascii_whitespace);
    is_without_content(status) || body.into_iter().all(|chunk| is_blank(chunk.as_ref()))
}

fn object(fields: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::obj(fields.into_iter().collect())
}
