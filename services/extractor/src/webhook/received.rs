//! A request as it was received.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use pomost_expression::Value;
use pomost_project::webhook::{Verification, WebhookTokenPlace};
use url::form_urlencoded;
use uuid::Uuid;

/// A request as it was received.
pub(super) struct Received {
    /// Its body.
    pub(super) body: Bytes,
    /// When it had come.
    pub(super) at: Timestamp,
    /// Its place among all that arrived: later ones have greater ids (UUID version 7).
    pub(super) arrival: Uuid,
    headers: HeaderMap,
    query: Option<String>,
}

impl Received {
    /// What has just come.
    pub(super) fn new(headers: HeaderMap, query: Option<String>, body: Bytes) -> Received {
        Received {
            body,
            at: Timestamp::now(),
            arrival: Uuid::now_v7(),
            headers,
            query,
        }
    }

    /// A header's value; several are one list (RFC 9110 §5.3).
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

    /// The value of `$headers` where it is told whether the delivery is believed.
    pub(super) fn headers(&self) -> Value {
        self.headers_but(|_| false)
    }

    /// The value of `$headers` where records are read: without those that hold credentials, which
    /// have no place in a record.
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
        self.headers_but(|name| Some(name) == token || credentials.contains(name))
    }

    fn headers_but(&self, hidden: impl Fn(&HeaderName) -> bool) -> Value {
        let shown = self.headers.keys().filter(|name| !hidden(name));
        let header = |name: &HeaderName| {
            let value = self.header(name).unwrap_or_default();
            (Value::from(name.as_str().to_owned()), Value::from(value))
        };
        Value::obj(shown.map(header).collect())
    }
}
