//! Flows and requests for the tests of this module.
#![allow(clippy::unwrap_used)]

use std::{fs, sync::Arc};

use http::HeaderMap;
use jiff::Timestamp;
use pomost_project::{Flow, Project, environment::Environment};

use super::request::ReceivedRequest;

/// Makes a flow with this webhook. `${OLD}` and `${NEW}` stand for its secrets.
pub(super) fn flow(webhook: &str, secrets: [&str; 2]) -> Arc<Flow> {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for system in ["source", "shop"] {
        write(
            &format!("systems/{system}.yaml"),
            &format!("system: {system}\nbase_url: http://127.0.0.1:9\n"),
        );
    }
    let webhook: String = webhook
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    write("flows/things.yaml", &FLOW.replace("WEBHOOK", &webhook));
    let secrets = ["OLD", "NEW"]
        .map(str::to_owned)
        .into_iter()
        .zip(secrets.map(str::to_owned));
    let project = Project::load(
        directory.path(),
        &Environment::of(directory.path(), secrets),
    );
    project
        .unwrap_or_else(|problems| panic!("{problems}"))
        .flows["things"]
        .clone()
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
