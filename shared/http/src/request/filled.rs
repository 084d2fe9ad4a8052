//! Filling in a flow's request template.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, Entry},
};
use pomost_expression::{EvaluationError, Template, Value, Variables};
use pomost_format::encode_one;
use pomost_project::{System, request::RequestTemplate};
use url::Url;

/// A request template with the values of its expressions.
pub(crate) struct FilledRequest {
    path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl FilledRequest {
    /// Fills a template in.
    pub(crate) fn of(
        template: &RequestTemplate,
        input: &Value,
        variables: &Variables,
    ) -> Result<FilledRequest, EvaluationError> {
        let path = template.path.render(input, variables)?;
        let headers = template
            .headers
            .iter()
            .map(|header| fill_header(header, input, variables));
        let mut headers: HeaderMap = headers.collect::<Result<_, _>>()?;
        let Some(body) = &template.body else {
            return Ok(FilledRequest {
                path,
                headers,
                body: None,
            });
        };
        let body = encode_one(&template.body_format, &body.one(input.clone(), variables)?);
        let body = body.map_err(|error| EvaluationError::new(format!("the body: {error}")))?;
        if let (Entry::Vacant(entry), Ok(kind)) = (
            headers.entry(CONTENT_TYPE),
            HeaderValue::from_str(&template.body_format.content_type()),
        ) {
            entry.insert(kind);
        }
        Ok(FilledRequest {
            path,
            headers,
            body: Some(body.into()),
        })
    }

    /// Returns the URL of its path and query below the system's base URL.
    pub(crate) fn url(&self, system: &System) -> Result<Url, String> {
        let base = system.base_url.as_str().trim_end_matches('/');
        let text = format!("{base}/{}", self.path.trim_start_matches('/'));
        let url = Url::parse(&text).map_err(|error| format!("not a URL path: {error}"))?;
        within_system(url, system)
    }
}

/// Refuses a URL outside the system, where the system's credentials must not be shown.
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
