//! The seam to the network: no request goes past it.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use pomost_http::{
    AlertHook, ClientOptions, Connector, LiveConnector, RedirectPolicy, Transport,
    TransportFailure, TransportRequest, TransportResponse,
};
use pomost_project::System;

use crate::support::{Authority, FakeServer, Reply, SystemFile, things};

/// The requests that went over the network, as a recording would keep them.
type Log = Arc<Mutex<Vec<(String, RedirectPolicy)>>>;

const LOGIN: &str = "auth: { session: { request: POST /login, credentials: { user: \"${USER}\" }, token: .body.token } }";

/// Notes each request and sends it over the network.
struct Recorder<Inner> {
    inner: Inner,
    log: Log,
}

impl Connector for Recorder<LiveConnector> {
    fn connect(&self, system: &System) -> Result<Arc<dyn Transport>, TransportFailure> {
        Ok(Arc::new(Recorder {
            inner: self.inner.connect(system)?,
            log: self.log.clone(),
        }))
    }
}

impl Transport for Recorder<Arc<dyn Transport>> {
    fn send(
        &self,
        request: TransportRequest,
    ) -> BoxFuture<'_, Result<TransportResponse, TransportFailure>> {
        let line = format!("{} {}", request.method, request.url.path());
        self.log.lock().unwrap().push((line, request.redirects));
        self.inner.send(request)
    }
}

fn recording(log: &Log) -> ClientOptions {
    ClientOptions {
        connector: Arc::new(Recorder {
            inner: LiveConnector,
            log: log.clone(),
        }),
        ..ClientOptions::default()
    }
}

fn lines(log: &Log) -> Vec<(String, RedirectPolicy)> {
    std::mem::take(&mut log.lock().unwrap())
}

fn line(text: &str, redirects: RedirectPolicy) -> (String, RedirectPolicy) {
    (text.to_owned(), redirects)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_tokens_and_logins_go_over_the_system_s_transport() {
    let log = Log::default();
    let authority = Authority::start(10).await;
    let client = authority.system().lone_with(&recording(&log)).await;
    client.send(things(&authority.url)).await.unwrap();
    let token = line("POST /token", RedirectPolicy::Stop);
    let things_line = line("GET /things", RedirectPolicy::FollowAll);
    assert_eq!(lines(&log), [token, things_line.clone()]);

    let server = FakeServer::start(|seen| match seen.path.as_str() {
        "/login" => Reply::of(200, r#"{"token":"token-1"}"#),
        _ => Reply::ok(),
    })
    .await;
    let client = SystemFile::at(&server.url)
        .with(LOGIN)
        .set("USER", "me")
        .lone_with(&recording(&log))
        .await;
    client.send(things(&server.url)).await.unwrap();
    let login = line("POST /login", RedirectPolicy::Stop);
    assert_eq!(lines(&log), [login, things_line]);
}

#[tokio::test]
async fn alerts_go_over_the_transport_that_they_are_given() {
    let log = Log::default();
    let server = FakeServer::start(|_| Reply::ok()).await;
    let project = SystemFile::at(&server.url).project();
    let transport = recording(&log).connector.connect(&project.systems["shop"]);
    let url = format!("{}/hook/secret", server.url);
    let hook = AlertHook::over(transport.unwrap(), url.into());
    hook.post("the shop is down").await.unwrap();
    assert_eq!(
        lines(&log),
        [line("POST /hook/secret", RedirectPolicy::Stop)]
    );
    assert_eq!(server.requests()[0].body, r#"{"text":"the shop is down"}"#);
}
