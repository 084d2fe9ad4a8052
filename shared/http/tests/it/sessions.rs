//! Logging in for a token.

use std::sync::atomic::{AtomicUsize, Ordering};

use pomost_http::FailureClass;

use crate::support::{FakeServer, ReceivedRequest, Reply, SystemFile, things};

const LOGIN: &str = "auth:
  session:
    request: POST /login
    credentials: { user: '${USER}', password: '${PASSWORD}' }
    body: '{login: .user, secret: .password}'
    token: .body.session.token
";

/// A server that gives a token at each login and takes the last one only, as often as `life` says.
async fn server(life: usize, refusal: fn() -> Reply) -> FakeServer {
    let (logins, uses) = (AtomicUsize::new(0), AtomicUsize::new(0));
    FakeServer::start(move |seen: &ReceivedRequest| {
        if seen.path == "/login" {
            uses.store(life, Ordering::SeqCst);
            let login = logins.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(r#"{{"session":{{"token":"token-{login}","seconds":3600}}}}"#);
            return Reply::of(200, body).with("x-token", format!("header-{login}"));
        }
        let good = uses
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |uses| {
                uses.checked_sub(1)
            })
            .is_ok();
        if good { Reply::ok() } else { refusal() }
    })
    .await
}

fn system(server: &FakeServer, lines: &str) -> SystemFile {
    let system = SystemFile::at(&server.url).with(&format!("{LOGIN}{lines}"));
    system.set("USER", "us").set("PASSWORD", "hunter2")
}

#[tokio::test]
async fn a_login_gives_the_token_that_requests_carry() {
    let server = server(100, || Reply::of(401, "{}")).await;
    let client = system(&server, "    expires: .body.session.seconds\n")
        .lone()
        .await;
    for _ in 0..3 {
        client.send(things(&server.url)).await.unwrap();
    }
    let seen = server.requests();
    assert_eq!(seen[0].body, r#"{"login":"us","secret":"hunter2"}"#);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].header("content-type")),
        ("POST", "application/json")
    );
    assert_eq!(
        (seen[1].header("authorization"), server.count_path("/login")),
        ("Bearer token-1", 1)
    );
}

#[tokio::test]
async fn a_token_travels_in_the_header_or_the_cookie_that_is_named() {
    for (lines, name, value) in [
        (
            "    header: 'X-Session: id={};v=1'\n",
            "x-session",
            "id=token-1;v=1",
        ),
        ("    cookie: sid\n", "cookie", "sid=token-1"),
    ] {
        let server = server(100, || Reply::of(401, "{}")).await;
        system(&server, lines)
            .lone()
            .await
            .send(things(&server.url))
            .await
            .unwrap();
        assert_eq!(server.requests()[1].header(name), value);
    }
}

#[tokio::test]
async fn a_token_may_stand_in_a_header_of_the_answer() {
    let server = server(100, || Reply::of(401, "{}")).await;
    let login = LOGIN.replace(".body.session.token", "'.headers[\"x-token\"]'");
    let system = SystemFile::at(&server.url)
        .with(&login)
        .set("USER", "us")
        .set("PASSWORD", "hunter2");
    system.lone().await.send(things(&server.url)).await.unwrap();
    assert_eq!(
        server.requests()[1].header("authorization"),
        "Bearer header-1"
    );
}

#[tokio::test]
async fn a_session_that_is_refused_is_renewed_and_the_request_sent_again() {
    let server = server(1, || Reply::of(401, "{}")).await;
    let client = system(&server, "").lone().await;
    client.send(things(&server.url)).await.unwrap();
    client.send(things(&server.url)).await.unwrap();
    assert_eq!(
        (server.count_path("/login"), server.count_path("/things")),
        (2, 3)
    );
}

#[tokio::test]
async fn a_rule_may_say_what_a_refused_session_looks_like() {
    let server = server(1, || Reply::of(200, r#"{"error":"session"}"#)).await;
    let rule = "answers:\n- { when: '.body.error == \"session\"', means: unauthorised }\n";
    let client = system(&server, "").with(rule).lone().await;
    client.send(things(&server.url)).await.unwrap();
    client.send(things(&server.url)).await.unwrap();
    assert_eq!(
        (server.count_path("/login"), server.count_path("/things")),
        (2, 3)
    );
}

#[tokio::test]
async fn a_forbidden_request_is_no_reason_to_log_in_again() {
    let server = server(0, || Reply::of(403, "{}")).await;
    let failure = system(&server, "")
        .lone()
        .await
        .send(things(&server.url))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, server.count_path("/login")),
        (FailureClass::Unauthorised, 1)
    );
}

#[tokio::test]
async fn a_login_that_fails_is_never_a_record_s_fault() {
    let cases: [(fn() -> Reply, FailureClass); 6] = [
        (|| Reply::of(401, "{}"), FailureClass::Unauthorised),
        (|| Reply::of(422, "{}"), FailureClass::Unauthorised),
        (|| Reply::of(404, "{}"), FailureClass::Unauthorised),
        (|| Reply::of(200, "{}"), FailureClass::Unauthorised),
        (|| Reply::of(503, "{}"), FailureClass::Throttled),
        (|| Reply::of(500, "{}"), FailureClass::Unreachable),
    ];
    for (answer, class) in cases {
        let server = FakeServer::start(move |_| answer()).await;
        let client = system(&server, "").lone().await;
        let failure = client.send(things(&server.url)).await.unwrap_err();
        assert_eq!(
            (failure.class, server.count_path("/things")),
            (class, 0),
            "{failure}"
        );
        assert!(
            client.is_down() && !failure.message.contains("hunter2"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_refused_login_is_told_in_the_words_of_the_system_without_credentials() {
    let server = FakeServer::start(|_| Reply::of(401, r#"{"error":"not hunter2"}"#)).await;
    let failure = system(&server, "")
        .lone()
        .await
        .send(things(&server.url))
        .await
        .unwrap_err();
    assert_eq!(
        failure.message,
        r#"shop: POST /login answered 401 Unauthorized: {"error":"not ***"}"#
    );
}
