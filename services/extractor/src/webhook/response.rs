//! The responses to senders.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use super::verify;

/// The way in which a delivery was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryAcceptance {
    /// Its records are with the broker and counted.
    New,
    /// The same delivery was accepted before.
    Duplicate,
}

/// The reason for which a delivery is not accepted, without secrets and without values of records.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no flow takes deliveries here")]
    UnknownPath,
    #[error("a delivery is a POST")]
    NotAPost,
    /// The body is longer than this number of bytes.
    #[error("the delivery is longer than {0} bytes")]
    TooLong(usize),
    #[error("the delivery did not come in time")]
    TooSlow,
    #[error("the delivery broke off")]
    BrokenOff,
    #[error(transparent)]
    Unverified(#[from] verify::Error),
    /// The format is one that is not read here.
    #[error("{0}")]
    Format(String),
    /// The body cannot be read, or is not what the flow expects.
    #[error("{0}")]
    Payload(String),
    /// The broker, the store or this process cannot take the delivery now.
    #[error("not ready; deliver it again")]
    NotReady,
    /// Reading the delivery panicked.
    #[error("the delivery could not be read")]
    Panicked,
}

/// Number of seconds after which a sender is asked to deliver again what could not be accepted.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

pub(super) fn response(accepted: &Result<DeliveryAcceptance, Error>) -> Response<Full<Bytes>> {
    let (status, body) = match accepted {
        Ok(DeliveryAcceptance::New) => (StatusCode::OK, json!({ "status": "taken" })),
        Ok(DeliveryAcceptance::Duplicate) => (StatusCode::OK, json!({ "status": "repeated" })),
        Err(error) => (status(error), json!({ "error": error.to_string() })),
    };
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    match accepted {
        Err(Error::NotAPost) => headers.insert(header::ALLOW, HeaderValue::from_static("POST")),
        Err(Error::NotReady) => headers.insert(header::RETRY_AFTER, RETRY_AFTER),
        Err(Error::Unverified(verify::Error::Basic)) => {
            let challenge = HeaderValue::from_static("Basic realm=\"webhooks\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge)
        }
        _ => None,
    };
    response
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::UnknownPath => StatusCode::NOT_FOUND,
        Error::NotAPost => StatusCode::METHOD_NOT_ALLOWED,
        Error::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Error::BrokenOff | Error::Payload(_) => StatusCode::BAD_REQUEST,
        Error::Unverified(_) => StatusCode::UNAUTHORIZED,
        Error::Format(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        Error::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
