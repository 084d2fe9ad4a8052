//! Making a request of what a flow says.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONTENT_TYPE, Entry},
};
use pomost_expression::{EvaluationError, Template, Value, Variables};
use pomost_format::{BodyFormat, encode_one};
use pomost_project::{
    System,
    request::{AnswerRule, RequestTemplate},
};
use url::Url;

use crate::{Failure, FailureClass, SystemClient};

/// A request to be made.
#[derive(Debug, Clone)]
pub struct OutgoingRequest<'a> {
    /// The method.
    pub method: Method,
    /// Where it goes, from [`SystemClient::call`] or [`Client::follow`].
    pub url: Url,
    /// The request as the flow has it, `GET /customers?email={.email}`: what people are shown of
    /// it, since the URL itself may hold personal data.
    pub label: &'a str,
    /// Its headers, beside those that let us in.
    pub headers: HeaderMap,
    /// Its body; JSON, where no header says otherwise.
    pub body: Option<Bytes>,
    /// What its answers mean, before what the system's rules say.
    pub answers: &'a [AnswerRule],
    /// What its answers are written in; left out, what their Content-Type says, or else JSON.
    pub format: Option<&'a BodyFormat>,
    /// Whether an answer without a body that can be read is none. Otherwise it is one where its status says
    /// that the request was carried out, and whoever wants its [value](crate::Response::value) learns of it.
    pub needs_body: bool,
    /// Whether it is still to be made when its turn comes.
    pub permit: SendPermit<'a>,
}

/// Says whether something may still be begun: a request's turn may come long after it was asked for. Without a
/// condition it always may.
#[derive(Clone, Copy, Default)]
pub struct SendPermit<'a>(Option<&'a (dyn Fn() -> bool + Send + Sync)>);

impl<'a> SendPermit<'a> {
    /// It may as long as that is so.
    pub fn as_long_as(condition: &'a (dyn Fn() -> bool + Send + Sync)) -> SendPermit<'a> {
        SendPermit(Some(condition))
    }

    /// Whether it may now.
    pub fn holds(self) -> bool {
        self.0.is_none_or(|condition| condition())
    }
}

impl fmt::Debug for SendPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

impl<'a> OutgoingRequest<'a> {
    /// One of nothing but its method and URL.
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
}

impl SystemClient {
    /// The call that a flow's request is for this input.
    pub fn prepare<'a>(
        &self,
        request: &'a RequestTemplate,
        answers: &'a [AnswerRule],
        input: &Value,
        variables: &Variables,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let filled = Filled::of(request, input, variables).map_err(|error| {
            let message = format!(
                "{}: the request {}: {}",
                self.system.name, request.label, error.message
            );
            Failure::new(FailureClass::Invalid, message)
        })?;
        let url = filled
            .url(&self.system)
            .map_err(|message| self.refused(message))?;
        let Filled { headers, body, .. } = filled;
        Ok(OutgoingRequest {
            headers,
            body,
            answers,
            ..OutgoingRequest::bare(request.method.clone(), url, &request.label)
        })
    }
}

/// A request with its expressions' values.
pub(crate) struct Filled {
    path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl Filled {
    /// Fills a request in.
    pub(crate) fn of(
        request: &RequestTemplate,
        input: &Value,
        variables: &Variables,
    ) -> Result<Filled, EvaluationError> {
        let path = request.path.render(input, variables)?;
        let headers = request
            .headers
            .iter()
            .map(|header| fill_header(header, input, variables));
        let mut headers: HeaderMap = headers.collect::<Result<_, _>>()?;
        let Some(body) = &request.body else {
            return Ok(Filled {
                path,
                headers,
                body: None,
            });
        };
        let body = encode_one(&request.body_format, &body.one(input.clone(), variables)?);
        let body = body.map_err(|error| EvaluationError::new(format!("the body: {error}")))?;
        if let (Entry::Vacant(entry), Ok(kind)) = (
            headers.entry(CONTENT_TYPE),
            HeaderValue::from_str(&request.body_format.content_type()),
        ) {
            entry.insert(kind);
        }
        Ok(Filled {
            path,
            headers,
            body: Some(body.into()),
        })
    }

    /// The URL of its path and query below the system's base URL.
    pub(crate) fn url(&self, system: &System) -> Result<Url, String> {
        let base = system.base_url.as_str().trim_end_matches('/');
        let text = format!("{base}/{}", self.path.trim_start_matches('/'));
        let url = Url::parse(&text).map_err(|error| format!("not a URL path: {error}"))?;
        within_system(url, system)
    }
}

/// A URL that lies within the system: elsewhere its credentials are nobody's business.
pub(crate) fn within_system(url: Url, system: &System) -> Result<Url, String> {
    if url.origin() == system.base_url.origin() {
        return Ok(url);
    }
    let host = url.host_str().unwrap_or("no host");
    Err(format!(
        "an answer leads to {host}, outside the system; it is not followed"
    ))
}

fn fill_header(
    (name, template): &(HeaderName, Template),
    input: &Value,
    variables: &Variables,
) -> Result<(HeaderName, HeaderValue), EvaluationError> {
    let text = template.render(input, variables)?;
    let value = HeaderValue::from_str(&text);
    let refused = |_| {
        EvaluationError::new(format!(
            "the header {name} has characters that no header carries"
        ))
    };
    Ok((name.clone(), value.map_err(refused)?))
}
