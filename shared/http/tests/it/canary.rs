//! No secret shows itself.

use std::{
    io,
    sync::{Arc, Mutex},
};

use pomost_http::AlertHook;
use tracing::Level;

use crate::support::{Authority, FakeServer, Fault, Reply, SystemFile, things};

/// The log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Log, tracing::subscriber::DefaultGuard) {
        // While there is one subscriber alone, what another test's thread is first to log counts as
        // wanted by nobody (tracing-core asks the thread's default).
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn tokens_and_secrets_are_in_no_log_no_error_and_no_debug_text() {
    let (log, _guard) = Log::start();
    let authority = Authority::start(2).await;
    let system = authority.system();
    let client = system.lone().await;
    let mut shown = format!("{:?}", system.project());
    for _ in 0..3 {
        let answer = client.send(things(&authority.url)).await.unwrap();
        shown.push_str(&format!("{answer:?}"));
    }
    authority.change(|state| state.fault = Some(Fault::AnswerLost));
    authority.expire();
    for _ in 0..2 {
        let failure = client.send(things(&authority.url)).await.unwrap_err();
        shown.push_str(&format!("{failure} {failure:?}"));
    }
    let fresh = system.failure_at(&authority.url).await;
    shown.push_str(&format!("{fresh} {fresh:?}"));
    assert!(shown.contains("needs new authorisation"), "{shown}");
    let log = log.text();
    assert!(
        log.contains("new tokens") && log.contains("needs new authorisation"),
        "{log}"
    );
    for text in [&log, &shown] {
        let place = text
            .find("CANARY")
            .map(|place| &text[place.saturating_sub(200)..place + 20]);
        assert_eq!(place, None);
    }
    // Each system is said to be down once.
    assert_eq!(log.matches(" ERROR ").count(), 2, "{log}");
}

#[tokio::test]
async fn a_login_is_in_no_log_no_error_and_no_debug_text() {
    let (log, _guard) = Log::start();
    let server = FakeServer::start(|seen| match seen.path.as_str() {
        "/login" => Reply::of(200, r#"{"token":"token-CANARY"}"#),
        _ => Reply::of(400, format!("not for {}", seen.header("authorization"))),
    })
    .await;
    let lines = "auth:\n  session:\n    request: POST /login\n    credentials: { password: '${PASSWORD}' }\n    \
                 body: '{password, name: (.password | .[1:] | error)}'\n    token: .body.token";
    let broken = SystemFile::at(&server.url)
        .with(lines)
        .set("PASSWORD", "password-CANARY");
    let good =
        SystemFile::at(&server.url).with(&lines.replace(", name: (.password | .[1:] | error)", ""));
    let good = good.set("PASSWORD", "password-CANARY");
    let mut shown = format!("{:?}", good.project());
    for system in [broken, good] {
        let failure = system.failure_at(&server.url).await;
        shown.push_str(&format!("{failure} {failure:?}"));
    }
    assert!(shown.contains("not for Bearer ***"), "{shown}");
    let log = log.text();
    assert!(
        log.contains("http.request") && !log.contains("CANARY") && !shown.contains("CANARY"),
        "{shown}{log}"
    );
}

/// A hook lets in everyone that knows its URL.
#[tokio::test]
async fn the_url_of_a_hook_is_in_no_log_and_no_error() {
    let (log, _guard) = Log::start();
    let server = FakeServer::start(|seen| Reply::of(404, format!("no {}", seen.path))).await;
    let mut shown = String::new();
    for url in [&server.url, "http://127.0.0.1:1"] {
        let hook = AlertHook::new(format!("{url}/CANARY").into()).unwrap();
        let failure = hook.post("the shop is down").await.unwrap_err();
        shown.push_str(&format!("{failure} {failure:?}"));
    }
    assert_eq!(server.count_path("/CANARY"), 1);
    assert!(
        shown.contains("alerts.yaml: POST to 'url' answered 404 Not Found"),
        "{shown}"
    );
    assert!(
        !shown.contains("CANARY") && !log.text().contains("CANARY"),
        "{shown}{}",
        log.text()
    );
}
