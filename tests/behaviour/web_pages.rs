//! Web pages in the place of responses: they confirm nothing and are no data.

use futures_util::future::join_all;
use pomost_models::DeadLetterReason;
use serde_json::json;

use crate::support::{FakeServer, Flow, ReceivedRequest, Reply, World, failure, outcomes, row};

const PAGE: &str =
    "<!DOCTYPE html><html><title>Offline for maintenance</title><p>Back soon</p></html>";

fn page(content_type: &str) -> Reply {
    Reply::of(200, PAGE).with("content-type", content_type)
}

/// A source whose first replies are web pages.
async fn source(
    pages: usize,
    content_type: &'static str,
    answer: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
) -> FakeServer {
    let left = std::sync::Mutex::new(pages);
    FakeServer::start(move |request| {
        let mut left = left.lock().unwrap();
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                page(content_type)
            }
            None => answer(request),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_no_row_in_any_format_and_is_asked_for_again() {
    let formats = [
        ("", ".rows[]", "{\"rows\":[{\"key\":\"a\"}]}"),
        ("format: csv", "'.'", "key\na\n"),
        ("format: jsonl", "'.'", "{\"key\":\"a\"}\n"),
        (
            "format: { xml: { record: row } }",
            "'.'",
            "<rows><row><key>a</key></row></rows>",
        ),
        ("format: text", "'{ key: . }'", "a"),
        ("format: { text: { lines: true } }", "'{ key: . }'", "a\n"),
    ];
    let called = ["text/html; charset=utf-8", "application/json"];
    let cases = formats
        .into_iter()
        .flat_map(|format| called.map(|content_type| (format, content_type)));
    join_all(cases.map(async |((extract, records, body), content_type)| {
        let source = source(1, content_type, move |_| Reply::of(200, body)).await;
        let world = World::new(
            source,
            Flow {
                extract,
                records,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(
            outcomes(&world.sync().await),
            [("created", 1)],
            "{extract}, {content_type}"
        );
        assert_eq!(
            world.source.count_method("GET"),
            2,
            "{extract}, {content_type}"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_no_detail_no_parent_and_no_deletion() {
    let delete = "delete: { request: \"DELETE /things/{$id}\" }";
    let extracts = [
        ("GET /rows", "fetch: { request: \"GET /details/{.key}\" }"),
        (
            "GET /children/{$parent.key}",
            "for_each: { request: GET /rows, records: \".rows[]\" }",
        ),
        (
            "GET /rows",
            "deletions: { request: GET /none, records: \".rows[]\", key: .key }",
        ),
    ];
    join_all(extracts.map(async |(request, extract)| {
        let known = std::sync::Mutex::new(std::collections::HashSet::new());
        let source = FakeServer::start(move |request| {
            match (
                known.lock().unwrap().insert(request.path.clone()),
                &*request.path,
            ) {
                (true, _) => page("text/html"),
                (false, "/none") => Reply::rows(json!([])),
                (false, "/details/a") => Reply::json(200, &json!({ "key": "a" })),
                (false, _) => Reply::rows(json!([{ "key": "a" }])),
            }
        })
        .await;
        let world = World::new(
            source,
            Flow {
                request,
                extract,
                load: delete,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{extract}");
        assert_eq!(world.source.count_method("GET"), 4, "{extract}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_data_where_a_rule_says_so() {
    let source = source(9, "text/html", |_| Reply::never()).await;
    let extract = "format: text\nanswers: [{ status: 200, means: ok }]";
    let records = "'{ key: (capture(\"<title>(?<title>.*)</title>\") | .title) }'";
    let world = World::new(
        source,
        Flow {
            extract,
            records,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(
        world.shop.things(),
        [r#"{"key":"Offline for maintenance"}"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_shows_a_page_is_looked_up_and_made_once() {
    for took_place in [true, false] {
        let (world, _) = World::with_rows([row(1)], Flow::with_lookup()).await;
        world.set_shop_timeout("4s");
        let outcome = match took_place {
            true => {
                world.shop.lose_answers("POST", 1, || page("text/html"));
                ("updated", 1)
            }
            false => {
                world.shop.fail("POST", 1, || page("text/html"));
                ("created", 1)
            }
        };
        assert_eq!(outcomes(&world.sync().await), [outcome]);
        assert_eq!(world.shop.things().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_shows_a_page_where_nothing_can_tell_is_dead_in_doubt_with_its_title() {
    let (world, _) = World::with_rows([row(1)], Flow::default()).await;
    world.shop.fail("POST", 1, || page("text/html"));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.reason, world.shop.server.count_method("POST")),
        (DeadLetterReason::InDoubt, 1)
    );
    let said = "POST /things answered 200 OK with a web page (text/html, titled 'Offline for maintenance') where JSON was \
                expected";
    assert!(letter.error.contains(said), "{}", letter.error);
}

/// A page that repeats the values of a request, with other spaces between them.
fn echo() -> Reply {
    let page = "<html><title>Nobody here has +48 600 700 801, Li</title></html>";
    Reply::of(200, page).with("content-type", "text/html")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_repeats_what_was_sent_is_told_of_the_record_without_that_and_of_an_outage_not_at_all()
 {
    let writes = "create: { request: POST /things, body: \"{ phone: .phone, name: .name }\", body_format: form, id: .id }";
    let rows = [json!({"key": "a", "phone": "+48 600700801", "name": "Li"})];
    let (world, _) = World::with_rows(
        rows,
        Flow {
            writes,
            ..Flow::default()
        },
    )
    .await;
    world.shop.fail("POST", 1, echo);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let error = world.only_dead().await.error;
    assert!(
        error.contains("titled 'Nobody here has *** *** *** *** ***'"),
        "{error}"
    );
    assert!(
        !error.split(": titled").next().unwrap().contains("Nobody"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_and_a_deletion_that_show_a_page_are_made_again() {
    let load = "delete: { request: \"DELETE /things/{$id}\" }";
    let flow = Flow {
        extract: "deleted: .gone == true",
        load,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({"key": "a"})], flow).await;
    world.sync().await;
    for (method, row, outcome) in [
        ("PUT", json!({"key": "a", "n": 2}), "updated"),
        ("DELETE", json!({"key": "a", "gone": true}), "deleted"),
    ] {
        rows.set([row]);
        world.shop.fail(method, 1, || page("text/html"));
        assert_eq!(outcomes(&world.sync().await), [(outcome, 1)]);
        assert_eq!(world.shop.server.count_method(method), 2);
    }
    assert!(world.shop.things().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_creates_that_show_a_page_are_looked_up_and_made() {
    let writes = "create: { request: POST /things, body: \"[.[] | .data]\" }\nbatch: { size: 10 }\n\
                  lookup: { request: \"GET /things?key={$key}\", id: .found }";
    let rows = [json!({"key": "a"}), json!({"key": "b"})];
    let (world, _) = World::with_rows(
        rows,
        Flow {
            writes,
            ..Flow::default()
        },
    )
    .await;
    world.set_shop_timeout("4s");
    world.shop.put("t7", json!({"key": "a"}));
    world.shop.fail("POST", 1, || page("text/html"));
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    let bodies: Vec<_> = world
        .shop
        .server
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST")
        .collect();
    assert_eq!(
        (bodies.len(), bodies[1].body.as_str()),
        (2, r#"[{"key":"b"}]"#)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_shows_a_page_has_found_nothing_out() {
    let load = r#"lookup: { request: "GET /things?key={.key}", id: .found, before_create: true }"#;
    let (world, _) = World::with_rows(
        [json!({"key": "a"})],
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.shop.put("t7", json!({"key": "a", "n": 0}));
    world.shop.fail("GET", 1, || page("text/html"));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("GET"),
            world.shop.server.count_method("POST")
        ),
        (2, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_a_write_is_a_yes_where_a_rule_says_so() {
    let load = "answers: [{ status: 200, means: ok }]";
    let (world, rows) = World::with_rows(
        [json!({"key": "a", "n": 1})],
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.sync().await;
    rows.set([json!({"key": "a", "n": 2})]);
    world.shop.lose_answers("PUT", 1, || page("text/html"));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.server.count_method("PUT"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_led_out_of_the_system_fails_the_run() {
    let source = FakeServer::start(|_| Reply::redirect(302, "https://login.example/")).await;
    let error = failure(World::new(source, Flow::default()).await.sync().await);
    assert!(
        error.contains("answered 302 Found, which is not followed"),
        "{error}"
    );
}
