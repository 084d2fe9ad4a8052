//! Requests for tokens.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use pomost_http::FailureClass;
use serde_json::Value;

use crate::support::{FakeServer, ReceivedRequest, Reply, SystemFile, things};

const TOKEN: &str = r#"{"access_token":"token-1","token_type":"Bearer","expires_in":"3600"}"#;

type Answer = fn(&ReceivedRequest) -> Reply;

async fn server(answer: Answer) -> FakeServer {
    FakeServer::start(move |seen| {
        if seen.path == "/token" {
            answer(seen)
        } else {
            Reply::ok()
        }
    })
    .await
}

fn system(server: &FakeServer, lines: &str) -> SystemFile {
    let url = &server.url;
    let auth =
        format!("auth:\n  oauth2:\n    token_url: {url}/token\n    client_id: 'us:+'\n{lines}");
    let key = include_str!("../keys/p256.pem");
    SystemFile::at(url)
        .with(&auth)
        .set("SECRET", "s&+")
        .set("KEY", key)
}

/// The token request that a system's first request brings about.
async fn asked(lines: &str) -> ReceivedRequest {
    let server = server(|_| Reply::of(200, TOKEN)).await;
    system(&server, lines)
        .lone()
        .await
        .send(things(&server.url))
        .await
        .unwrap();
    let seen = server.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].header("authorization"), "Bearer token-1");
    seen[0].clone()
}

/// The claims of an assertion.
fn claims(assertion: &str) -> Value {
    let claims = assertion.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn a_client_proves_itself_by_basic_with_both_parts_encoded() {
    let seen =
        asked("    grant: client_credentials\n    client_secret: ${SECRET}\n    scopes: [a, b]\n")
            .await;
    // us%3A%2B:s%26%2B
    assert_eq!(
        seen.header("authorization"),
        "Basic dXMlM0ElMkI6cyUyNiUyQg=="
    );
    assert_eq!(seen.body, "grant_type=client_credentials&scope=a+b");
    assert_eq!(
        seen.header("content-type"),
        "application/x-www-form-urlencoded"
    );
}

#[tokio::test]
async fn a_client_proves_itself_in_the_body() {
    let lines = "    grant: client_credentials\n    client_secret: ${SECRET}\n    client_auth: body\n    \
                 audience: https://api.example\n    parameters: { resource: r }\n";
    let seen = asked(lines).await;
    assert_eq!(seen.header("authorization"), "");
    let form = seen.form();
    let field = |name: &str| form[name].as_str();
    assert_eq!(
        [field("client_id"), field("client_secret")],
        ["us:+", "s&+"]
    );
    assert_eq!(
        [field("audience"), field("resource")],
        ["https://api.example", "r"]
    );
}

#[tokio::test]
async fn a_client_proves_itself_by_an_assertion() {
    let lines = "    grant: client_credentials\n    client_auth: private_key_jwt\n    private_key: ${KEY}\n";
    let form = asked(lines).await.form();
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let claims = claims(&form["client_assertion"]);
    assert_eq!(
        (claims["iss"].as_str(), claims["sub"].as_str()),
        (Some("us:+"), Some("us:+"))
    );
    assert!(
        claims["aud"].as_str().unwrap().ends_with("/token"),
        "{claims}"
    );
}

#[tokio::test]
async fn an_assertion_is_a_grant_on_behalf_of_somebody() {
    let lines = "    grant: jwt_bearer\n    private_key: ${KEY}\n    subject: jan@example.com\n    \
                 audience: https://id.example\n    claims: { scope: all }\n";
    let form = asked(lines).await.form();
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
    );
    assert_eq!(form.get("audience"), None);
    let claims = claims(&form["assertion"]);
    let claim = |name: &str| claims[name].as_str().unwrap();
    assert_eq!(
        ["iss", "sub", "aud", "scope"].map(claim),
        ["us:+", "jan@example.com", "https://id.example", "all"]
    );
}

#[tokio::test]
async fn whatever_a_token_endpoint_answers_no_record_is_at_fault() {
    let cases: [(Answer, FailureClass); 11] = [
        (
            |_| Reply::of(401, r#"{"error":"invalid_client"}"#),
            FailureClass::Unauthorised,
        ),
        (
            |_| Reply::of(400, r#"{"error":"invalid_scope"}"#),
            FailureClass::Unauthorised,
        ),
        (
            |_| Reply::of(400, r#"{"error":"invalid_grant"}"#),
            FailureClass::Unauthorised,
        ),
        (
            |_| Reply::of(200, r#"{"error":"bad_verification_code"}"#),
            FailureClass::Unauthorised,
        ),
        (
            |_| Reply::of(404, "no such page"),
            FailureClass::Unauthorised,
        ),
        (
            |_| Reply::of(302, "").with("location", "/elsewhere"),
            FailureClass::Unauthorised,
        ),
        (|_| Reply::of(200, "{}"), FailureClass::Unauthorised),
        (
            |_| Reply::of(200, r#"{"access_token":"t","token_type":"mac"}"#),
            FailureClass::Unauthorised,
        ),
        (|_| Reply::of(500, "{}"), FailureClass::Unreachable),
        (
            |_| Reply::of(429, "{}").with("retry-after", 7),
            FailureClass::Throttled,
        ),
        (|_| Reply::of(503, "{}"), FailureClass::Throttled),
    ];
    for (answer, class) in cases {
        let server = server(answer).await;
        let system = system(
            &server,
            "    grant: client_credentials\n    client_secret: ${SECRET}\n",
        );
        let failure = system.failure_at(&server.url).await;
        assert_eq!(failure.class, class, "{failure}");
        assert_eq!(
            (server.count_path("/token"), server.count_path("/things")),
            (1, 0),
            "{failure}"
        );
        assert_eq!(
            failure.retry_after.is_some(),
            failure.message.contains("429"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn what_a_token_endpoint_says_is_shown_in_one_line_and_without_secrets() {
    let server = server(|seen| {
        let error = format!("client\\nhas {}", seen.form()["client_secret"]);
        Reply::of(
            400,
            format!(r#"{{"error":"invalid_client","error_description":"{error}"}}"#),
        )
    })
    .await;
    let lines =
        "    grant: client_credentials\n    client_secret: ${SECRET}\n    client_auth: body\n";
    let system = system(&server, lines).set("SECRET", "hunter2");
    let failure = system.failure_at(&server.url).await;
    let expected = "shop: the token endpoint at 127.0.0.1 answers 400 Bad Request: invalid_client client has ***";
    assert_eq!(failure.message, expected);
}

#[tokio::test]
async fn a_failure_is_not_repeated_by_everybody_who_waits() {
    let server = server(|_| Reply::of(500, "{}")).await;
    let client = system(
        &server,
        "    grant: client_credentials\n    client_secret: ${SECRET}\n",
    )
    .lone()
    .await;
    let sending = (0..50).map(|_| client.send(things(&server.url)));
    let ended = futures_util::future::join_all(sending).await;
    assert!(ended.iter().all(Result::is_err));
    assert!(
        server.count_path("/token") <= 3,
        "{}",
        server.count_path("/token")
    );
}
