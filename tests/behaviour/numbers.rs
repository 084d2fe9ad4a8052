//! Numbers, which stay numbers in all calculations, and texts that look like numbers.

use pomost_tests::eventually;
use serde_json::{Value, json};

use crate::support::{FakeServer, Flow, ReceivedRequest, Reply, World, failure, outcomes, row};

/// A page of five rows, two on each; past the end the last page is repeated.
fn clamped(number: usize) -> Value {
    let rows: Vec<Value> = (1..=5).map(row).collect();
    json!({ "rows": rows.chunks(2).nth(number.clamp(1, 3) - 1), "pages": 3, "total": 5 })
}

fn page_in_query(request: &ReceivedRequest) -> Reply {
    Reply::json(200, &clamped(request.query["page"].parse().unwrap()))
}

fn body(request: &ReceivedRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

/// The bodies of the requests to the source, without repetitions.
fn bodies_to_source(world: &World) -> Vec<Value> {
    let mut bodies: Vec<Value> = world.source.requests().iter().map(body).collect();
    bodies.dedup();
    bodies
}

/// The bodies of the writes to the shop.
fn bodies_to_shop(world: &World) -> Vec<Value> {
    let requests = world.shop.server.requests();
    requests
        .iter()
        .filter(|request| request.method != "GET")
        .map(body)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_a_number_that_the_last_one_is_told_by() {
    for extract in [
        r#"paginate: { page: { param: page, last: "$page >= .pages" } }"#,
        r#"paginate: { page: { param: page, last: ".total <= $page * 2" } }"#,
        r#"paginate: { page: { param: page, last: "($page | tonumber) == 3" } }"#,
    ] {
        let world = World::new(
            FakeServer::start(page_in_query).await,
            Flow {
                extract,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(outcomes(&world.sync().await), [("created", 5)], "{extract}");
        assert_eq!(world.source.query_values("page"), ["1", "2", "3"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_answers_its_last_page_again_past_the_end_is_told_and_loses_nothing() {
    let extract = "paginate: { page: { param: page } }";
    let world = World::new(
        FakeServer::start(page_in_query).await,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    let error = failure(world.sync().await);
    assert!(
        error.contains("the last one again past the end") && error.contains("'last'"),
        "{error}"
    );
    // What was read by then is in the queues, also where it was not yet loaded.
    let running = world.start().await;
    eventually(async || match world.shop.things().len() {
        5 => Ok(()),
        things => Err(format!("{things} of 5 things")),
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_offsets_are_numbers_in_bodies() {
    let pages = r#"body: "{ page: $page, size: 2 }"
paginate: { page: { last: "$page == 3" } }"#;
    let offsets = r#"body: "{ page: ($page / 2 + 1), skip: $page }"
paginate: { offset: { last: ".total <= $page + 2" } }"#;
    for extract in [pages, offsets] {
        let source = FakeServer::start(|request| match body(request)["page"].as_u64() {
            Some(number) => Reply::json(200, &clamped(number as usize)),
            None => Reply::json(422, &json!({ "error": "page: expected an integer" })),
        });
        let world = World::new(
            source.await,
            Flow {
                request: "POST /rows",
                extract,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(outcomes(&world.sync().await), [("created", 5)], "{extract}");
        assert_eq!(bodies_to_source(&world).len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_back_as_the_source_gave_it() {
    let extract = r#"body: "{ after: $page }"
paginate: { token: { value: .next } }"#;
    let source = FakeServer::start(|request| {
        let (rows, next) = match body(request)["after"] {
            Value::Null => ([row(1)], json!(12)),
            Value::Number(_) => ([row(2)], json!("0012")),
            Value::String(ref text) if text == "0012" => ([row(3)], json!("12")),
            _ => ([row(4)], Value::Null),
        };
        Reply::json(200, &json!({ "rows": rows, "next": next }))
    });
    let world = World::new(
        source.await,
        Flow {
            request: "POST /rows",
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 4)]);
    let after: Vec<Value> = bodies_to_source(&world)
        .iter()
        .map(|body| body["after"].clone())
        .collect();
    assert_eq!(after, [json!(null), json!(12), json!("0012"), json!("12")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_numbers_is_a_number() {
    for extract in [
        "body: \"{ since: $cursor, next: ($cursor + 1) }\"\ncursor: { value: .n, start: 0 }",
        "body: \"{ since: $cursor, next: ($cursor + 1) }\"\ncursor: { value: .n, start: \"0\" }",
    ] {
        let flow = Flow {
            request: "POST /rows",
            extract,
            ..Flow::default()
        };
        let (world, rows) = World::with_rows(
            [json!({ "key": "a", "n": 9_007_199_254_740_993_u64 })],
            flow,
        )
        .await;
        world.sync().await;
        rows.set([]);
        world.sync().await;
        world.sync_since(Some("5")).await;
        let expected = [
            json!({ "since": 0, "next": 1 }),
            json!({ "since": 9_007_199_254_740_993_u64, "next": 9_007_199_254_740_994_u64 }),
            json!({ "since": 5, "next": 6 }),
        ];
        assert_eq!(bodies_to_source(&world), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_the_source_gives_as_text_is_text_though_it_looks_like_a_number() {
    let extract = "body: \"{ since: $cursor }\"\ncursor: { value: .n, start: \"\" }";
    let flow = Flow {
        request: "POST /rows",
        extract,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({ "key": "a", "n": "1772323320" })], flow).await;
    world.sync().await;
    rows.set([
        json!({ "key": "b", "n": "1772323400" }),
        json!({ "key": "c", "n": "999" }),
    ]);
    world.sync().await;
    rows.set([]);
    world.sync().await;
    world.sync_since(Some("1772323000")).await;
    let expected =
        ["", "1772323320", "1772323400", "1772323000"].map(|since| json!({ "since": since }));
    assert_eq!(bodies_to_source(&world), expected);
    // A source that has come to give numbers gets numbers.
    rows.set([json!({ "key": "d", "n": 1_772_323_500 })]);
    world.sync().await;
    world.sync().await;
    assert_eq!(
        bodies_to_source(&world).last(),
        Some(&json!({ "since": 1_772_323_500 }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_seconds_are_between_numbers() {
    let begin = jiff::Timestamp::now().as_second() - 86_400 - 3600;
    let extract =
        "body: \"{ from: $cursor, to: $until }\"\ncursor: { value: .n, start: 0, step: 1d }";
    let flow = Flow {
        request: "POST /rows",
        extract,
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({ "key": "a", "n": begin + 5 })], flow).await;
    world.sync_since(Some(&begin.to_string())).await;
    let day = 86_400;
    let expected = [
        json!({ "from": begin, "to": begin + day }),
        json!({ "from": begin + day, "to": begin + 2 * day }),
    ];
    assert_eq!(bodies_to_source(&world), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_a_number_where_the_source_gave_one() {
    let flow = Flow {
        extract: "version: .v",
        transform: "map: \"{ key, mapped: $version }\"",
        writes: r#"create: { request: POST /things, id: .id, body: ". + { loaded: $version }" }
update: { request: "PUT /things/{$id}", body: ". + { loaded: $version }" }"#,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({ "key": "a", "v": 7 })], flow).await;
    for version in [
        json!("00123"),
        json!("1772323320"),
        json!("2026-03-01T00:00:00Z"),
    ] {
        world.sync().await;
        rows.set([json!({ "key": version, "v": version })]);
    }
    world.sync().await;
    let versions: Vec<[Value; 2]> = bodies_to_shop(&world)
        .iter()
        .map(|thing| [thing["mapped"].clone(), thing["loaded"].clone()])
        .collect();
    let expected = [
        json!(7),
        json!("00123"),
        json!("1772323320"),
        json!("2026-03-01T00:00:00Z"),
    ];
    assert_eq!(versions, expected.map(|version| [version.clone(), version]));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_one_value_are_one_key() {
    let flow = Flow {
        transform: "map: \"{ key: \\\"of \\\\(.name)\\\" }\"",
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([], flow).await;
    let keyed = |key: &str| format!(r#"{{"key":{key},"name":"x"}}"#);
    rows.set_json(["9007199254740993", "1.10", "[1,2.50]", "\"1.10\""].map(keyed));
    assert_eq!(outcomes(&world.sync().await), [("created", 4)]);
    rows.set_json(["9007199254740993.0", "1.1", "[1.0,25e-1]", "\"1.10\""].map(keyed));
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 4)]);
    rows.set_json(
        [
            "9.007199254740993e15",
            "11e-1",
            "[1e0,2.5]",
            "9007199254740992",
        ]
        .map(keyed),
    );
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 3)]
    );
    rows.set_json(["1e400", "1e999999999", "1e99999999999999999999"].map(keyed));
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("dead", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_a_number_is_its_value() {
    let (world, rows) = World::with_rows([json!({ "key": "a", "n": 1 })], Flow::default()).await;
    world
        .shop
        .intercept(|request| match request.method.as_str() {
            "POST" => Some(Reply::json(201, &json!({ "id": 647.0 }))),
            "PUT" if request.path == "/things/647" => Some(Reply::json(200, &json!({}))),
            _ => None,
        });
    world.sync().await;
    rows.set([json!({ "key": "a", "n": 2 })]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_told_by_the_value_of_its_key() {
    let writes = r#"create: { request: POST /batch, body: "{ things: . }", id: .id }
batch: { results: ".results[]", key: .key }"#;
    let (world, rows) = World::with_rows(
        [],
        Flow {
            writes,
            extract: "version: .v",
            ..Flow::default()
        },
    )
    .await;
    rows.set_json([1, 2].map(|key| format!(r#"{{"key":{key},"v":{key}}}"#)));
    world.shop.intercept(|request| {
        let results = json!([{ "key": 2.0, "id": "two" }, { "key": 1.0, "id": "one" }]);
        (request.path == "/batch").then(|| Reply::json(200, &json!({ "results": results })))
    });
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    let things = bodies_to_shop(&world)[0]["things"]
        .as_array()
        .cloned()
        .unwrap();
    let versions: Vec<&Value> = things.iter().map(|thing| &thing["version"]).collect();
    assert_eq!(versions, [&json!(1), &json!(2)]);
}
