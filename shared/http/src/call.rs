//! Making a request of what a flow says.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONTENT_TYPE, Entry},
};
use pomost_expression::{EvaluationError, Template, Value, Variables};
use pomost_format::encode_one;
use pomost_project::request::{AnswerRule, Request};
use url::Url;

use crate::{Class, Client, Failure};

/// A request to be made.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// Where it goes, from [`Client::call`] or [`Client::follow`].
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
}

impl Client {
    /// The call that a flow's request is for this input.
    pub fn call<'a>(
        &self,
        request: &'a Request,
        answers: &'a [AnswerRule],
        input: &Value,
        variables: &Variables,
    ) -> Result<Call<'a>, Failure> {
        let filled = fill(request, input, variables);
        let (path, headers, body) = filled.map_err(|error| {
            let message = format!("{}: the request {}: {}", self.system.name, request.label, error.message);
            Failure::new(Class::Invalid, message)
        })?;
        let url = self.url(&path)?;
        Ok(Call { method: request.method.clone(), url, label: &request.label, headers, body, answers })
    }

    /// The URL of a path and query below the system's base URL.
    fn url(&self, path_and_query: &str) -> Result<Url, Failure> {
        let base = self.system.base_url.as_str().trim_end_matches('/');
        let text = format!("{base}/{}", path_and_query.trim_start_matches('/'));
        let url = Url::parse(&text).map_err(|error| self.refused(format!("not a URL path: {error}")))?;
        self.within_system(url)
    }
}

type Filled = (String, HeaderMap, Option<Bytes>);

fn fill(request: &Request, input: &Value, variables: &Variables) -> Result<Filled, EvaluationError> {
    let path = request.path.render(input, variables)?;
    let headers = request.headers.iter().map(|header| fill_header(header, input, variables));
    let mut headers: HeaderMap = headers.collect::<Result<_, _>>()?;
    let Some(body) = &request.body else { return Ok((path, headers, None)) };
    let body = encode_one(&request.body_format, &body.one(input.clone(), variables)?);
    let body = body.map_err(|error| EvaluationError::new(format!("the body: {error}")))?;
    if let (Entry::Vacant(entry), Ok(kind)) =
        (headers.entry(CONTENT_TYPE), HeaderValue::from_str(&request.body_format.content_type()))
    {
        entry.insert(kind);
    }
    Ok((path, headers, Some(body.into())))
}

fn fill_header(
    (name, template): &(HeaderName, Template),
    input: &Value,
    variables: &Variables,
) -> Result<(HeaderName, HeaderValue), EvaluationError> {
    let text = template.render(input, variables)?;
    let value = HeaderValue::from_str(&text);
    let refused =
        |_| EvaluationError::new(format!("the header {name} has characters that no header carries"));
    Ok((name.clone(), value.map_err(refused)?))
}
