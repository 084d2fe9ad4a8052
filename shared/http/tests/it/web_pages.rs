//! Web pages in the place of answers.

use futures_util::TryStreamExt;
use http::Method;
use pomost_format::{BodyFormat, FormatSyntax};
use pomost_http::{
    Failure, FailureClass, OutgoingRequest, RequestEffect, StreamLimits, SystemClient,
};

use crate::support::{FakeServer, Reply, SystemFile, things};

const PAGE: &str = "<!DOCTYPE html><html><title>Offline for maintenance</title></html>";

async fn page_at(status: u16, content_type: &'static str) -> FakeServer {
    FakeServer::start(move |_| Reply::of(status, PAGE).with("content-type", content_type)).await
}

async fn opened(client: &SystemClient, call: OutgoingRequest<'_>) -> Result<Vec<u8>, Failure> {
    let streamed = client.send_streaming(call, StreamLimits::default()).await?;
    Ok(streamed.try_collect::<Vec<_>>().await?.concat())
}

#[tokio::test]
async fn a_page_is_no_answer_but_a_failure_that_may_pass_and_may_have_taken_place() {
    for content_type in ["text/html", "application/json"] {
        let server = page_at(200, content_type).await;
        let client = SystemFile::at(&server.url).lone().await;
        let post = OutgoingRequest {
            method: Method::POST,
            needs_body: false,
            ..things(&server.url)
        };
        let failures = [
            client.send(post).await.unwrap_err(),
            client.send(things(&server.url)).await.unwrap_err(),
            opened(&client, things(&server.url)).await.unwrap_err(),
        ];
        let expected = format!(
            "shop: GET /things answered 200 OK with a web page ({content_type}, titled 'Offline for maintenance') where \
             JSON was expected; if that is its answer, say so in answers: {{ status: 200, means: ok }}"
        );
        for failure in failures {
            assert_eq!(
                (failure.class, failure.effect),
                (FailureClass::Transient, RequestEffect::Unknown)
            );
            assert_eq!(
                (failure.message, failure.status),
                (expected.clone(), Some(200))
            );
        }
    }
}

#[tokio::test]
async fn what_was_expected_is_the_format_of_the_request() {
    let server = page_at(200, "text/html").await;
    let client = SystemFile::at(&server.url).lone().await;
    let csv = BodyFormat::from(FormatSyntax::Csv(Default::default()));
    let failure = opened(
        &client,
        OutgoingRequest {
            format: Some(&csv),
            ..things(&server.url)
        },
    )
    .await
    .unwrap_err();
    assert!(
        failure.message.contains("where CSV was expected"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_page_is_an_answer_where_a_rule_says_so() {
    for rule in [
        "{ status: 200, means: ok }",
        "{ when: '.body | test(\"maintenance\")', means: ok }",
    ] {
        let server = page_at(200, "text/html").await;
        let client = SystemFile::at(&server.url)
            .with(&format!("answers: [{rule}]"))
            .lone()
            .await;
        assert_eq!(client.send(things(&server.url)).await.unwrap().body, PAGE);
        assert_eq!(
            opened(&client, things(&server.url)).await.unwrap(),
            PAGE.as_bytes()
        );
    }
}

#[tokio::test]
async fn a_page_means_what_a_rule_says() {
    let server = page_at(200, "text/html").await;
    let rule =
        "answers: [{ when: '.headers[\"content-type\"] == \"text/html\"', means: throttled }]";
    let client = SystemFile::at(&server.url).with(rule).lone().await;
    assert_eq!(
        opened(&client, things(&server.url))
            .await
            .unwrap_err()
            .class,
        FailureClass::Throttled
    );
}

#[tokio::test]
async fn a_page_with_another_status_means_what_that_says() {
    for (status, class) in [
        (302, FailureClass::Invalid),
        (404, FailureClass::Gone),
        (403, FailureClass::Unauthorised),
    ] {
        let server = page_at(status, "text/html").await;
        let client = SystemFile::at(&server.url).lone().await;
        assert_eq!(
            client.send(things(&server.url)).await.unwrap_err().class,
            class
        );
        assert_eq!(
            opened(&client, things(&server.url))
                .await
                .unwrap_err()
                .class,
            class
        );
    }
}

#[tokio::test]
async fn a_read_that_is_led_to_a_login_is_no_answer() {
    let server = FakeServer::start(|seen| match &*seen.path {
        "/login" => Reply::of(200, PAGE).with("content-type", "text/html"),
        _ => Reply::of(302, "").with("location", "/login"),
    })
    .await;
    let client = SystemFile::at(&server.url).lone().await;
    let failure = opened(&client, things(&server.url)).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(
        failure.message.contains("titled 'Offline for maintenance'"),
        "{failure}"
    );
}

#[tokio::test]
async fn what_is_only_called_a_page_is_an_answer() {
    for body in ["", "{\"id\":1}"] {
        let server =
            FakeServer::start(move |_| Reply::of(200, body).with("content-type", "text/html"))
                .await;
        let client = SystemFile::at(&server.url).lone().await;
        assert_eq!(client.send(things(&server.url)).await.unwrap().body, body);
        assert_eq!(
            opened(&client, things(&server.url)).await.unwrap(),
            body.as_bytes()
        );
    }
}

#[tokio::test]
async fn a_long_page_that_does_not_end_is_known_by_its_beginning() {
    let page = format!("{PAGE}{}", " ".repeat(2 << 20));
    let server = FakeServer::start(move |_| Reply::of(200, page.clone()).that_never_ends()).await;
    let client = SystemFile::at(&server.url).lone().await;
    let failure = opened(&client, things(&server.url)).await.unwrap_err();
    assert!(
        failure.message.contains("titled 'Offline for maintenance'"),
        "{failure}"
    );
}

#[tokio::test]
async fn ten_pages_in_a_row_are_an_outage() {
    let server = page_at(200, "text/html").await;
    let client = SystemFile::at(&server.url).lone().await;
    for _ in 0..10 {
        client.send(things(&server.url)).await.unwrap_err();
    }
    client.until_down(true).await;
}

#[tokio::test]
async fn a_page_of_whoever_gives_tokens_is_no_refusal() {
    let server = page_at(200, "text/html").await;
    let session = "auth: { session: { request: POST /login, credentials: { user: \"${USER}\" }, token: .body.token } }";
    let oauth2 = format!(
        "auth: {{ oauth2: {{ grant: client_credentials, token_url: {}/token, client_id: me, client_secret: \"${{USER}}\" }} }}",
        server.url
    );
    for auth in [session, &oauth2] {
        let client = SystemFile::at(&server.url)
            .set("USER", "hunter2")
            .with(auth)
            .lone()
            .await;
        let failure = client.send(things(&server.url)).await.unwrap_err();
        assert_eq!(
            (failure.class, failure.effect),
            (FailureClass::Unreachable, RequestEffect::None),
            "{failure}"
        );
        assert!(
            failure.message.contains("titled 'Offline for maintenance'"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_login_that_shows_a_page_beside_its_token_is_one() {
    let server = FakeServer::start(|seen| match &*seen.path {
        "/login" => Reply::of(200, PAGE)
            .with("content-type", "text/html")
            .with("x-token", "given"),
        _ => Reply::of(200, seen.header("authorization")).with("content-type", "text/plain"),
    })
    .await;
    let session = "auth: { session: { request: POST /login, credentials: { user: \"${USER}\" }, \
                   token: '.headers[\"x-token\"]' } }";
    let client = SystemFile::at(&server.url)
        .set("USER", "hunter2")
        .with(session)
        .lone()
        .await;
    assert_eq!(
        client.send(things(&server.url)).await.unwrap().body,
        "Bearer given"
    );
}

#[tokio::test]
async fn what_has_nothing_to_say_is_known_before_it_is_read() {
    for (status, body, is_empty) in [
        (204, "", true),
        (304, "", true),
        (200, "", true),
        (200, " \r\n", true),
        (200, "[]", false),
    ] {
        let server = FakeServer::start(move |_| Reply::of(status, body)).await;
        let client = SystemFile::at(&server.url).lone().await;
        assert_eq!(
            client.send(things(&server.url)).await.unwrap().is_empty(),
            is_empty,
            "{status}"
        );
        let streamed = client
            .send_streaming(things(&server.url), StreamLimits::default())
            .await
            .unwrap();
        assert_eq!(streamed.is_empty(), is_empty, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_first_byte_is_not_empty() {
    let server = FakeServer::start(|_| Reply::of(200, "").that_never_ends()).await;
    let client = SystemFile::at(&server.url)
        .with("read_timeout: 300ms")
        .lone()
        .await;
    assert_eq!(
        opened(&client, things(&server.url))
            .await
            .unwrap_err()
            .class,
        FailureClass::Transient
    );
}

#[tokio::test]
async fn that_nothing_has_changed_is_no_answer_to_a_write() {
    let server = FakeServer::start(|_| Reply::of(304, "")).await;
    let client = SystemFile::at(&server.url).lone().await;
    let failure = client
        .send(OutgoingRequest {
            method: Method::PUT,
            ..things(&server.url)
        })
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.effect),
        (FailureClass::Invalid, RequestEffect::None)
    );
}
