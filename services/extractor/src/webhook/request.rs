//! The request of a delivery.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use pomost_expression::Value;
use pomost_project::webhook::{Verification, WebhookTokenPlace};
use url::form_urlencoded;
use uuid::Uuid;

/// A request with its whole body.
pub(super) struct ReceivedRequest {
    pub(super) body: Bytes,
    pub(super) received_at: Timestamp,
    /// The request's place among all arrivals: later ones have greater ids (UUID version 7).
    pub(super) arrival: Uuid,
    headers: HeaderMap,
    query: Option<String>,
}

impl ReceivedRequest {
    /// A request that was received just now.
    pub(super) fn new(headers: HeaderMap, query: Option<String>, body: Bytes) -> ReceivedRequest {
        ReceivedRequest {
            body,
            received_at: Timestamp::now(),
            arrival: Uuid::now_v7(),
            headers,
            query,
        }
    }

    /// The value of a header; several headers of one name are one list (RFC 9110 §5.3).
    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        let values = self.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The value of `$headers` in verification.
    pub(super) fn headers(&self) -> Value {
        self.headers_without(|_| false)
    }

    /// The value of `$headers` where records are read. Headers with credentials are left out, since
    /// these have no place in a record.
    pub(super) fn headers_for_records(&self, verify: &Verification) -> Value {
        let token = match verify {
            Verification::Token(token) => match &token.place {
                WebhookTokenPlace::Header { name, .. } => Some(name),
                WebhookTokenPlace::Query { .. } => None,
            },
            Verification::Hmac(_) | Verification::Basic(_) => None,
        };
        let credentials = [
            header::AUTHORIZATION,
            header::PROXY_AUTHORIZATION,
            header::COOKIE,
        ];
        self.headers_without(|name| Some(name) == token || credentials.contains(name))
    }

    fn headers_without(&self, hidden: impl Fn(&HeaderName) -> bool) -> Value {
        let shown = self.headers.keys().filter(|name| !hidden(name));
        let header = |name: &HeaderName| {
            let value = self.header(name).unwrap_or_default();
            (Value::from(name.as_str().to_owned()), Value::from(value))
        };
        Value::obj(shown.map(header).collect())
    }
}
