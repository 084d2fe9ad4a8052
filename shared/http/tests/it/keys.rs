//! Keys and passwords that systems know us by.

use pomost_http::FailureClass;

use crate::support::{FakeServer, Reply, SystemFile, things};

#[tokio::test]
async fn a_key_travels_where_the_system_expects_it() {
    let server = FakeServer::start(|_| Reply::ok()).await;
    let system = |auth: &str| {
        SystemFile::at(&server.url)
            .with(&format!("auth: {auth}"))
            .set("KEY", "k 1")
    };
    for (auth, name, value) in [
        (
            "{ api_key: { header: X-Key, value: '${KEY}' } }",
            "x-key",
            "k 1",
        ),
        (
            "{ api_key: { cookie: key, value: '${KEY}' } }",
            "cookie",
            "key=k 1",
        ),
        (
            "{ bearer: { token: '${KEY}' } }",
            "authorization",
            "Bearer k 1",
        ),
        (
            "{ basic: { username: us, password: '${KEY}' } }",
            "authorization",
            "Basic dXM6ayAx",
        ),
    ] {
        system(auth)
            .lone()
            .await
            .send(things(&server.url))
            .await
            .unwrap();
        assert_eq!(
            server.requests().last().unwrap().header(name),
            value,
            "{auth}"
        );
    }
    let in_query = system("{ api_key: { query: key, value: '${KEY}' } }");
    in_query
        .lone()
        .await
        .send(things(&server.url))
        .await
        .unwrap();
    assert_eq!(server.requests().last().unwrap().query_text, "key=k+1");
}

#[tokio::test]
async fn a_fixed_key_that_is_refused_is_not_tried_again() {
    let server = FakeServer::start(|_| Reply::of(401, "{}")).await;
    let system = SystemFile::at(&server.url)
        .with("auth: { bearer: { token: '${KEY}' } }")
        .set("KEY", "k1");
    let failure = system.failure_at(&server.url).await;
    assert_eq!(
        (failure.class, server.requests().len()),
        (FailureClass::Unauthorised, 1)
    );
}

#[tokio::test]
async fn a_key_that_a_system_repeats_is_not_quoted() {
    let server =
        FakeServer::start(|seen| Reply::of(400, format!("bad {}", seen.header("authorization"))))
            .await;
    let system = SystemFile::at(&server.url);
    let system = system
        .with("auth: { basic: { username: us, password: '${KEY}' } }")
        .set("KEY", "hunter2");
    let failure = system.failure_at(&server.url).await;
    assert_eq!(failure.answer, "bad Basic ***");
}
