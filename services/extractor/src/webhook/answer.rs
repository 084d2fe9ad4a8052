//! What senders are told.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use super::verify::Unverified;

/// What became of a delivery that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Its records are with the broker and counted.
    Taken,
    /// It was taken before.
    Repeated,
}

/// Why a delivery is not taken; without secrets and without values of records.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No flow has the path.
    #[error("no flow takes deliveries here")]
    UnknownPath,
    /// Its method is another one.
    #[error("a delivery is a POST")]
    NotAPost,
    /// It is longer than so many bytes.
    #[error("the delivery is longer than {0} bytes")]
    TooLong(usize),
    /// It did not come in time.
    #[error("the delivery did not come in time")]
    TooSlow,
    /// Its body did not come to its end.
    #[error("the delivery broke off")]
    BrokenOff,
    /// It is not believed.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// It is in a format that is not read.
    #[error("{0}")]
    Format(String),
    /// It cannot be read.
    #[error("{0}")]
    Payload(String),
    /// The broker, the store or we ourselves cannot take it now.
    #[error("not ready; deliver it again")]
    NotReady,
    /// Reading it failed in a way that is our own fault.
    #[error("the delivery could not be read")]
    Broken,
}

/// How long a sender is asked to leave us alone, in seconds, when we cannot take its delivery.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// The answer to a delivery.
pub(super) fn of(taken: &Result<Accepted, Refusal>) -> Response<Full<Bytes>> {
    let (status, body) = match taken {
        Ok(Accepted::Taken) => (StatusCode::OK, json!({ "status": "taken" })),
        Ok(Accepted::Repeated) => (StatusCode::OK, json!({ "status": "repeated" })),
        Err(refusal) => (status(refusal), json!({ "error": refusal.to_string() })),
    };
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    match taken {
        Err(Refusal::NotAPost) => headers.insert(header::ALLOW, HeaderValue::from_static("POST")),
        Err(Refusal::NotReady) => headers.insert(header::RETRY_AFTER, RETRY_AFTER),
        Err(Refusal::Unverified(Unverified::Basic)) => {
            let challenge = HeaderValue::from_static("Basic realm=\"webhooks\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge)
        }
        _ => None,
    };
    response
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::UnknownPath => StatusCode::NOT_FOUND,
        Refusal::NotAPost => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Refusal::BrokenOff | Refusal::Payload(_) => StatusCode::BAD_REQUEST,
        Refusal::Unverified(_) => StatusCode::UNAUTHORIZED,
        Refusal::Format(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Broken => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
