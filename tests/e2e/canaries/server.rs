//! A system that echoes whatever it is sent, with whatever status is asked for.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Response, header},
};
use pomost_tests::eventually;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::project::{SECRETS, rows};

/// Listens until dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Shared,
    serving: JoinHandle<()>,
}

type Shared = Arc<Mutex<Kept>>;

#[derive(Default)]
struct Kept {
    /// All that was sent, as text.
    sent: String,
    /// The paths that have failed once, as they do.
    failed: BTreeSet<String>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, shared) = (
            format!("http://{}", listener.local_addr().unwrap()),
            Shared::default(),
        );
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server {
            url,
            shared,
            serving,
        }
    }

    /// What has failed once fails once again.
    pub(crate) fn fail_again(&self) {
        self.shared.lock().unwrap().failed.clear();
    }

    /// Waits for the first record.
    pub(crate) async fn is_written_to(&self) {
        eventually(
            async || match self.shared.lock().unwrap().sent.contains("POST ") {
                true => Ok(()),
                false => Err("nothing was written"),
            },
        )
        .await;
    }

    /// The secrets that have not come.
    pub(crate) fn never_seen(&self) -> Vec<&'static str> {
        let sent = &self.shared.lock().unwrap().sent;
        SECRETS
            .iter()
            .filter(|(_, sent_as)| !sent.contains(sent_as))
            .map(|(name, _)| *name)
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
    let path = parts.uri.path().to_owned();
    let mut echo = format!("{} {}", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        echo.push_str(&format!(
            " {name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    echo.push_str(&format!(" {body}"));
    let mut kept = shared.lock().unwrap();
    kept.sent.push_str(&echo);
    let mut fails_once = |path: &str| kept.failed.insert(path.to_owned());
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments[..] {
        ["rows", flow] => respond(200, json!({ "rows": rows(flow) }).to_string()),
        ["broken", "json"] => respond(200, format!("{{\"rows\":[{}, CANARY", rows("json")[0])),
        ["broken", "csv"] => respond(200, "key,email\nk1,\"CANARY\"mail\n".into()),
        ["broken", "xml"] => respond(200, "<a><row><email>CANARY</emall></row></a>".into()),
        ["token"] if fails_once("token") => respond(500, echo),
        ["token"] => respond(
            200,
            json!({ "access_token": "CANARY-access/+=", "expires_in": 3600 }).to_string(),
        ),
        ["login"] if fails_once("login") => respond(500, echo),
        ["login"] => respond(200, json!({ "token": "CANARY-session/+=" }).to_string()),
        ["flaky", ..] if fails_once(&path) => respond(500, echo),
        ["flaky", ..] => respond(201, json!({ "id": "x" }).to_string()),
        ["strange"] => respond(201, json!({ "id": { "not": echo } }).to_string()),
        ["batch"] => respond(200, verdicts(&body)),
        ["answer", status, ..] => respond(status.parse().unwrap(), echo),
        _ => respond(404, echo),
    }
}

fn verdicts(body: &str) -> String {
    let records: Vec<Value> = serde_json::from_str(body).unwrap();
    let verdict = |record: &Value| json!({ "error": format!("'{}' is taken", record["email"].as_str().unwrap()) });
    json!({ "results": records.iter().map(verdict).collect::<Vec<_>>() }).to_string()
}

fn respond(status: u16, body: String) -> Response<Body> {
    let location: String = body.split(' ').nth(1).unwrap_or_default().into();
    let response = Response::builder()
        .status(status)
        .header(header::RETRY_AFTER, "1");
    let response = match status {
        300..400 => response.header(header::LOCATION, format!("/elsewhere{location}")),
        _ => response,
    };
    response.body(body.into()).unwrap()
}
