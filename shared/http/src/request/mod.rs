//! Requests as flows want them, before anything is decided about sending them.

mod filled;

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use pomost_format::BodyFormat;
use pomost_project::request::AnswerRule;
use url::Url;

pub(crate) use filled::{FilledRequest, within_system};

/// A request to be made.
#[derive(Debug, Clone)]
pub struct OutgoingRequest<'a> {
    pub method: Method,
    /// Made by [`SystemClient::prepare`](crate::SystemClient::prepare) or
    /// [`SystemClient::follow`](crate::SystemClient::follow), so that it lies within the system.
    pub url: Url,
    /// The request as the flow has it, `GET /customers?email={.email}`. People are shown this,
    /// since the URL itself may hold personal data.
    pub label: &'a str,
    /// Headers beside those of the system's credential.
    pub headers: HeaderMap,
    /// The body; JSON, where no header says otherwise.
    pub body: Option<Bytes>,
    /// The flow's rules about responses. They go before the system's rules.
    pub answers: &'a [AnswerRule],
    /// The format of the response's body; without one its Content-Type decides, and JSON where
    /// there is none.
    pub format: Option<&'a BodyFormat>,
    /// True where a response whose body cannot be read is a failure. Otherwise it is a success
    /// where its status says so, and asking for its [value](crate::Response::value) gives the
    /// error.
    pub needs_body: bool,
    pub permit: SendPermit<'a>,
}

impl<'a> OutgoingRequest<'a> {
    /// A request of nothing but a method and a URL.
    pub(crate) fn bare(method: Method, url: Url, label: &'a str) -> OutgoingRequest<'a> {
        let (headers, body, answers, format) = (HeaderMap::new(), None, &[], None);
        let permit = SendPermit::default();
        OutgoingRequest {
            method,
            url,
            label,
            headers,
            body,
            answers,
            format,
            needs_body: true,
            permit,
        }
    }

    /// Returns a number that is equal for requests that say the same. It holds for this process
    /// alone.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.method, &self.url, &self.body).hash(&mut hasher);
        hasher.finish()
    }
}

/// Says at the last moment if a request may still be sent: its turn may come long after it was
/// asked for. Without a condition it always may.
#[derive(Clone, Copy, Default)]
pub struct SendPermit<'a>(Option<&'a (dyn Fn() -> bool + Send + Sync)>);

impl<'a> SendPermit<'a> {
    /// Permits requests while a condition is true.
    pub fn as_long_as(condition: &'a (dyn Fn() -> bool + Send + Sync)) -> SendPermit<'a> {
        SendPermit(Some(condition))
    }

    /// Returns true while requests may be sent.
    pub fn holds(self) -> bool {
        self.0.is_none_or(|condition| condition())
    }
}

impl fmt::Debug for SendPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendPermit")
    }
}
