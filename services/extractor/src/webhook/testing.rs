//! Flows and requests for the tests of this module.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use http::HeaderMap;
use jiff::Timestamp;
use pomost_project::Flow;

use super::request::ReceivedRequest;
use crate::testing;

/// Makes a flow with this webhook. `${OLD}` and `${NEW}` stand for its secrets.
pub(super) fn flow(webhook: &str, secrets: [&str; 2]) -> Arc<Flow> {
    let webhook: String = webhook
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    let secrets: Vec<_> = ["OLD", "NEW"].into_iter().zip(secrets).collect();
    let project = testing::project(&FLOW.replace("WEBHOOK", &webhook), &secrets);
    project.flows["things"].clone()
}

const FLOW: &str = "flow: things
extract:
  system: source
  request: GET /things
  records: .rows[]
  key: .key
  version: .at
  cursor: { value: .read_at, start: \"0\" }
  webhook:
    path: /things
WEBHOOKload:
  system: shop
  create: { request: POST /things, id: .id }
  update: { request: \"PUT /things/{$id}\" }
  delete: { request: \"DELETE /things/{$id}\" }
  lookup: { request: \"GET /things?key={.key}\", id: .id }
";

/// Makes a request that was received at a time in seconds since 1970.
pub(super) fn received(at: i64, headers: &[(&str, &str)], body: &str) -> ReceivedRequest {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<http::HeaderName>().unwrap(),
                value.parse::<http::HeaderValue>().unwrap(),
            )
        })
        .collect();
    let mut received = ReceivedRequest::new(headers, None, body.to_owned().into());
    received.received_at = Timestamp::from_second(at).unwrap();
    received
}
