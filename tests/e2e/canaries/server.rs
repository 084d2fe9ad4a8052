//! A system that echoes each request with the status that its path asks for.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use pomost_testkit::{FakeServer, ReceivedRequest, Reply};
use pomost_tests::eventually;
use serde_json::{Value, json};

use super::project::{SECRETS, rows};

/// A system that echoes each request with the status that its path asks for.
pub(crate) struct EchoServer {
    server: FakeServer,
    failed: FailedPaths,
}

/// The paths that have failed once, as each of them does.
type FailedPaths = Arc<Mutex<BTreeSet<String>>>;

impl EchoServer {
    pub(crate) async fn start() -> EchoServer {
        let failed = FailedPaths::default();
        let kept = failed.clone();
        let server =
            FakeServer::start(move |request| reply(request, &mut kept.lock().unwrap())).await;
        EchoServer { server, failed }
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// Makes the paths that have failed once fail once again.
    pub(crate) fn fail_again(&self) {
        self.failed.lock().unwrap().clear();
    }

    /// Waits for the first write.
    pub(crate) async fn wait_for_write(&self) {
        eventually(async || match self.server.count_method("POST") {
            0 => Err("nothing was written"),
            _ => Ok(()),
        })
        .await;
    }

    /// The secrets that no request has shown.
    pub(crate) fn secrets_not_received(&self) -> Vec<&'static str> {
        let received: String = self.server.requests().iter().map(echo).collect();
        SECRETS
            .iter()
            .filter(|(_, as_sent)| !received.contains(as_sent))
            .map(|(name, _)| *name)
            .collect()
    }
}

fn echo(request: &ReceivedRequest) -> String {
    let ReceivedRequest {
        method,
        path,
        query_text,
        ..
    } = request;
    let mut echo = format!("{method} {path}?{query_text}");
    for (name, value) in &request.headers {
        echo.push_str(&format!(" {name}: {value}"));
    }
    format!("{echo} {}", request.body)
}

fn reply(request: &ReceivedRequest, failed: &mut BTreeSet<String>) -> Reply {
    let echo = echo(request);
    let mut fails_once = |path: &str| failed.insert(path.to_owned());
    let segments: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let (status, body) = match segments[..] {
        ["rows", flow] => (200, json!({ "rows": rows(flow) }).to_string()),
        ["broken", "json"] => (200, format!("{{\"rows\":[{}, CANARY", rows("json")[0])),
        ["broken", "csv"] => (200, "key,email\nk1,\"CANARY\"mail\n".into()),
        ["broken", "xml"] => (200, "<a><row><email>CANARY</emall></row></a>".into()),
        ["token"] if fails_once("token") => (500, echo),
        ["token"] => (
            200,
            json!({ "access_token": "CANARY-access/+=", "expires_in": 3600 }).to_string(),
        ),
        ["login"] if fails_once("login") => (500, echo),
        ["login"] => (200, json!({ "token": "CANARY-session/+=" }).to_string()),
        ["flaky", ..] if fails_once(&request.path) => (500, echo),
        ["flaky", ..] => (201, json!({ "id": "x" }).to_string()),
        ["strange"] => (201, json!({ "id": { "not": echo } }).to_string()),
        ["batch"] => (200, verdicts(&request.body)),
        ["answer", status, ..] => (status.parse().unwrap(), echo),
        _ => (404, echo),
    };
    let reply = Reply::of(status, body).with("retry-after", 1);
    match status {
        300..400 => reply.with(
            "location",
            format!("/elsewhere{}?{}", request.path, request.query_text),
        ),
        _ => reply,
    }
}

fn verdicts(body: &str) -> String {
    let records: Vec<Value> = serde_json::from_str(body).unwrap();
    let verdict = |record: &Value| json!({ "error": format!("'{}' is taken", record["email"].as_str().unwrap()) });
    json!({ "results": records.iter().map(verdict).collect::<Vec<_>>() }).to_string()
}
