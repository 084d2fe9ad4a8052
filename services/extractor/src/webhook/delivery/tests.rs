#![allow(clippy::unwrap_used)]
use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use pomost_models::Operation;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{super::testing, *};

const TOKEN: [(&str, &str); 1] = [("X-Token", "secret")];

fn flow(more: &str) -> Arc<Flow> {
    let verify = "verify: { token: { secrets: [\"${OLD}\"], header: X-Token } }";
    testing::flow(&format!("{verify}\n{more}"), ["secret", ""])
}

fn delivered(more: &str, headers: &[(&str, &str)], body: &str) -> Result<VerifiedDelivery, String> {
    let headers: Vec<_> = TOKEN.iter().chain(headers).copied().collect();
    let (flow, request) = (flow(more), testing::received(0, &headers, body));
    read_whole(&flow, &request).map_err(|error| error.to_string())
}

fn read_whole(flow: &Flow, request: &ReceivedRequest) -> Result<VerifiedDelivery, Error> {
    VerifiedDelivery::read(flow, flow.extract.webhook.as_ref().unwrap(), request)
}

#[test]
fn a_delivery_is_a_record_read_as_the_flow_reads_rows() {
    let delivery = delivered("", &[], r#"{"key":7,"at":"2026-01-01","price":1.10}"#).unwrap();
    let [record] = &delivery.records[..] else {
        panic!("{delivery:?}")
    };
    assert_eq!(
        (record.key.as_str(), record.version.as_str(), record.op),
        ("7", "2026-01-01", Operation::Upsert)
    );
    assert_eq!(
        record.data.get(),
        r#"{"key":7,"at":"2026-01-01","price":1.10}"#
    );
    assert!(delivery.refused.is_empty() && delivery.id.is_none());
}

#[test]
fn a_webhook_has_expressions_of_its_own_where_they_differ() {
    let more =
        "records: .items[]\nkey: .id\nversion: .v\ndeleted: $headers[\"x-topic\"] == \"deleted\"";
    let body = r#"{"items":[{"id":"a","v":2},{"id":"b","v":3}]}"#;
    let delivery = delivered(more, &[("X-Topic", "deleted")], body).unwrap();
    let records = delivery
        .records
        .iter()
        .map(|record| (record.key.as_str(), record.version.as_str()));
    assert_eq!(records.collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
    assert!(
        delivery
            .records
            .iter()
            .all(|record| record.op == Operation::Delete)
    );
}

#[test]
fn a_row_without_a_key_is_refused_alone() {
    let delivery = delivered("records: .[]", &[], r#"[{"at":1},{"key":"b","at":1}]"#).unwrap();
    assert_eq!((delivery.records.len(), delivery.refused.len()), (1, 1));
    let refused = &delivery.refused[0];
    assert!(
        refused
            .diagnosis
            .error
            .starts_with("extract.key found null"),
        "{refused:?}"
    );
    assert_eq!(refused.record.data.get(), r#"{"at":1}"#);
}

#[test]
fn what_fails_is_named_where_it_stands() {
    let delivery = delivered("key: .id | tonumber\nversion: .v", &[], r#"{"id":"x"}"#).unwrap();
    assert!(
        delivery.refused[0]
            .diagnosis
            .error
            .starts_with("extract.webhook.key: "),
        "{delivery:?}"
    );
    let delivery = delivered("version: .v", &[], r#"{"key":"x","v":[]}"#).unwrap();
    assert!(
        delivery.refused[0]
            .diagnosis
            .error
            .starts_with("extract.webhook.version found")
    );
    assert_eq!(delivery.refused[0].record.key, "x");
}

#[test]
fn credentials_are_no_headers_of_a_record() {
    let headers = [
        ("Authorization", "hunter2"),
        ("Cookie", "hunter2"),
        ("X-Shop", "a"),
        ("X-Shop", "b"),
    ];
    let delivery = delivered(
        "records: \"{key: ($headers | tojson), at: 1}\"",
        &headers,
        "null",
    )
    .unwrap();
    assert_eq!(delivery.records[0].key, r#"{"x-shop":"a, b"}"#);
}

#[test]
fn a_delivery_is_told_by_its_id() {
    let id = |more, headers: &[(&str, &str)], body| delivered(more, headers, body).map(|d| d.id);
    let by_header = "delivery: { header: X-Id }";
    assert_eq!(
        id(by_header, &[("X-Id", "1")], "{}"),
        Ok(Some(DeliveryId::of("1")))
    );
    assert!(
        id(by_header, &[], "{}")
            .unwrap_err()
            .contains("the header x-id does not say")
    );
    assert!(id(by_header, &[("X-Id", "")], "{}").is_err());
    let by_value = "delivery: { value: .id }";
    assert_eq!(
        id(by_value, &[], r#"{"id":1}"#),
        Ok(Some(DeliveryId::of("1")))
    );
    for body in ["{}", r#"{"id":{}}"#, "[]"] {
        assert!(
            id(by_value, &[], body)
                .unwrap_err()
                .contains("extract.webhook.delivery.value"),
            "{body}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_told_without_its_values() {
    let refused =
        |more, headers: &[(&str, &str)], body| delivered(more, headers, body).unwrap_err();
    let error = refused("", &[], "{\"a\":\"hunter2\"");
    assert!(
        error.starts_with("the delivery: JSON, row 1, ") && !error.contains("hunter2"),
        "{error}"
    );
    for other in ["text/html", "text/plain", "application/octet-stream", ""] {
        let error = refused("", &[("Content-Type", other)], "{}");
        assert!(
            error.starts_with("expected Content-Type: application/json"),
            "{other}: {error}"
        );
    }
    assert_eq!(
        refused("", &[("Content-Encoding", "gzip")], "{}"),
        "expected a body without Content-Encoding"
    );
    let error = refused("records: .rows[]", &[], r#"{"rows":"hunter2"}"#);
    assert!(
        error.starts_with("extract.webhook.records: ") && !error.contains("hunter2"),
        "{error}"
    );
    for json in [
        "application/json; charset=utf-8",
        "application/vnd.api+json",
        "Application/JSON",
    ] {
        assert!(
            delivered("", &[("Content-Type", json)], "{}").is_ok(),
            "{json}"
        );
    }
}

#[test]
fn a_delivery_may_be_in_another_format() {
    let keys = |more, content_type, body| {
        let delivery = delivered(more, &[("Content-Type", content_type)], body).unwrap();
        assert!(delivery.refused.is_empty(), "{delivery:?}");
        delivery
            .records
            .into_iter()
            .map(|record| record.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys("", "application/x-www-form-urlencoded", "key=a&at=1"),
        ["a"]
    );
    assert_eq!(keys("", "text/csv", "key,at\r\na,1\r\nb,2\r\n"), ["a", "b"]);
    assert_eq!(
        keys("", "application/x-ndjson", "{\"key\":\"a\",\"at\":1}\n"),
        ["a"]
    );
    let xml = "format: { xml: { record: thing } }";
    assert_eq!(
        keys(
            xml,
            "application/xml",
            "<things><thing><key>a</key><at>1</at></thing></things>"
        ),
        ["a"]
    );
    assert_eq!(
        keys("format: json", "text/plain", "{\"key\":\"a\",\"at\":1}"),
        ["a"]
    );
}

#[test]
fn nothing_is_parsed_before_it_is_believed() {
    let read = |body| {
        read_whole(
            &flow("delivery: { value: .id }"),
            &testing::received(0, &[], body),
        )
    };
    for body in ["", "{", "{}", "[[[["] {
        assert!(matches!(read(body), Err(Error::Unverified(_))), "{body}");
    }
}

/// Pieces that mean something in headers and bodies; any others are mixed in.
const PIECES: [&str; 24] = [
    "{",
    "[",
    "]",
    "}",
    "\"",
    "\\u",
    "\\ud800",
    "null",
    "1e9",
    "t=",
    ",v1=",
    "sha256=",
    "v1,",
    "Basic ",
    "==",
    "0f",
    "\u{17c}",
    "<a>",
    "application/",
    "text/csv",
    ";charset=",
    "99999999999999999999",
    "-1",
    "2026-01-01T00:00:00Z",
];

const HEADERS: [&str; 9] = [
    "x-hub-signature-256",
    "stripe-signature",
    "x-shopify-hmac-sha256",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "authorization",
    "x-token",
    "content-type",
];

const SCHEMES: [&str; 7] = [
    "{ github: { secrets: [\"${OLD}\"] } }",
    "{ stripe: { secrets: [\"${OLD}\"] } }",
    "{ shopify: { secrets: [\"${OLD}\"] } }",
    "{ standard_webhooks: { secrets: [\"${OLD}\"] } }",
    "{ basic: { username: x, passwords: [\"${OLD}\"] } }",
    "{ hmac: { secrets: [\"${OLD}\"], header: X-Token, content: '{$headers[\"x-token\"]}{.}', timestamp: . } }",
    "{ token: { secrets: [\"${OLD}\"], query: token } }",
];

fn flows() -> &'static [Arc<Flow>] {
    static FLOWS: LazyLock<Vec<Arc<Flow>>> = LazyLock::new(|| {
        let flow =
            |verify| testing::flow(&format!("verify: {verify}\nrecords: .[]?"), ["AAAA", ""]);
        SCHEMES.map(flow).into()
    });
    &FLOWS
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        select(PIECES.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        vec(any::<u8>(), 0..4)
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn read_hostile(headers: &[(&'static str, Vec<u8>)], query: String, body: Vec<u8>) {
    let headers: HeaderMap = headers
        .iter()
        .filter_map(|(name, value)| {
            Some((
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value).ok()?,
            ))
        })
        .collect();
    let request = ReceivedRequest::new(headers, Some(query), body.into());
    for flow in flows() {
        // A refusal is as good as a delivery.
        let _ = read_whole(flow, &request);
    }
}

proptest! {
    #[test]
    fn any_request_is_a_delivery_or_refused(
        headers in vec((select(HEADERS.to_vec()), hostile()), 0..4),
        // Half of them pass the one that asks for a token, so that their bodies are read as well.
        query in prop_oneof![Just("token=AAAA".to_owned()), ".{0,20}"],
        body in hostile(),
    ) {
        read_hostile(&headers, query, body);
    }
}

#[test]
fn hostile_bodies_are_deliveries_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/webhook/corpus");
    let content_types = [
        "application/json",
        "text/csv",
        "application/xml",
        "application/x-www-form-urlencoded",
        "a/b;charset=utf-7",
    ];
    for file in std::fs::read_dir(corpus).unwrap() {
        let body = std::fs::read(file.unwrap().path()).unwrap();
        for content_type in content_types {
            let headers = [("content-type", content_type.as_bytes().to_vec())];
            read_hostile(&headers, "token=AAAA".to_owned(), body.clone());
        }
    }
}
