//! A request as a server received it.

use std::{collections::BTreeMap, time::Instant};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use url::Url;

/// A request as a server received it.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// The method, such as `GET`.
    pub method: String,
    /// The path, such as `/rows`.
    pub path: String,
    /// The query parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// The query as it was sent.
    pub query_text: String,
    /// The headers whose values are text, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// The moment at which the server had read the request.
    pub received_at: Instant,
}

impl ReceivedRequest {
    /// Reads a request to its end.
    pub async fn read(request: Request<Body>) -> ReceivedRequest {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&format!("http://here{}", parts.uri)).unwrap();
        let headers = parts
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        ReceivedRequest {
            method: parts.method.to_string(),
            path: url.path().to_owned(),
            query: url.query_pairs().into_owned().collect(),
            query_text: url.query().unwrap_or_default().to_owned(),
            headers: headers.collect(),
            body: String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap(),
            received_at: Instant::now(),
        }
    }

    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// The fields of a body that is a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}
