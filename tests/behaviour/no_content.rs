//! Responses without content.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{FakeServer, Flow, ReceivedRequest, Reply, World, failure, outcomes, row};

const DELETE: &str = "delete: { request: \"DELETE /things/{$id}\" }";

/// The responses without content: their status and body.
const NOTHING: [(u16, &str); 4] = [(204, ""), (304, ""), (200, ""), (200, "\r\n")];

fn nothing((status, body): (u16, &'static str)) -> Reply {
    Reply::of(status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_with_nothing_to_say_has_no_rows() {
    let formats = [
        ("", ".rows[]"),
        ("format: jsonl", ".rows[]"),
        ("format: csv", "'.'"),
        ("format: { xml: { record: row } }", "'.'"),
        ("format: xml", ".rows.row[]"),
        ("format: text", "'fromjson | .rows[]'"),
        ("fetch: { request: \"GET /rows/{.key}\" }", ".rows[]"),
        (
            "for_each: { request: GET /parents, records: \".rows[]\" }",
            ".rows[]",
        ),
        (
            "paginate: { next: '.links.next | ltrimstr(\"x\")' }",
            ".rows[]",
        ),
    ];
    let cases = formats
        .into_iter()
        .flat_map(|format| NOTHING.map(|answer| (format, answer)));
    join_all(cases.map(async |((extract, records), answer)| {
        let source = FakeServer::start(move |_| nothing(answer)).await;
        let world = World::new(
            source,
            Flow {
                extract,
                records,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(outcomes(&world.sync().await), [], "{extract}, {answer:?}");
        assert_eq!(world.source.requests().len(), 1, "{extract}, {answer:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_nothing_to_say_is_the_last() {
    let paginates = [
        "paginate: { page: { param: page } }",
        "paginate: { page: { param: page, last: \".more | not\" } }",
        "paginate: { page: { param: page, last: \".info.total / 5 < 1\" } }",
        "paginate: { offset: { param: page, last: \".info.total - 5 < 1\" } }",
        "paginate: { next: '\"?page=\" + .next' }",
        "paginate: { token: { value: '\"x\" + .next', param: page } }",
        "paginate: { link: next }",
    ];
    let page = |request: &ReceivedRequest, answer| match request
        .query
        .get("page")
        .map(String::as_str)
    {
        None | Some("0" | "1") => {
            let rows =
                json!({ "rows": [row(1)], "more": true, "next": "2", "info": { "total": 100 } });
            Reply::of(200, rows.to_string()).with("link", "<?page=2>; rel=next")
        }
        _ => nothing(answer).with("link", "<?page=3>; rel=next"),
    };
    let start = |paginate: &str| if paginate.contains("offset") { 0 } else { 1 };
    let cases = paginates
        .into_iter()
        .flat_map(|paginate| NOTHING.map(|answer| (paginate, answer)));
    // A page that an answer named is there.
    let counts = |paginate: &str| paginate.contains(" page: {") || paginate.contains(" offset: {");
    let cases = cases.filter(|(paginate, (status, _))| *status != 200 || counts(paginate));
    join_all(cases.map(async |(extract, answer)| {
        let first = start(extract);
        let source = FakeServer::start(move |request| {
            match (first, request.query.get("page").map(String::as_str)) {
                (0, Some("1")) => nothing(answer),
                _ => page(request, answer),
            }
        })
        .await;
        let world = World::new(
            source,
            Flow {
                extract,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(
            outcomes(&world.sync().await),
            [("created", 1)],
            "{extract}, {answer:?}"
        );
        assert_eq!(world.source.requests().len(), 2, "{extract}, {answer:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blank_page_that_an_answer_named_is_asked_for_again() {
    let paginates = [
        "paginate: { next: 'if .next then \"?page=\\(.next)\" else null end' }",
        "paginate: { token: { value: .next, param: page } }",
        "paginate: { token: { value: 'if .next then -.next else null end', param: page } }",
        "paginate: { token: { value: 'if .next then \"two\" else null end', param: page } }",
        "paginate: { link: next }",
    ];
    let cases = paginates
        .into_iter()
        .flat_map(|paginate| [NOTHING[2], NOTHING[3]].map(|page| (paginate, page)));
    join_all(cases.map(async |(extract, answer)| {
        let is_proxy_broken = std::sync::atomic::AtomicBool::new(true);
        let source = FakeServer::start(move |request| {
            let blanks = || is_proxy_broken.swap(false, std::sync::atomic::Ordering::Relaxed);
            match request.query.contains_key("page") {
                false => {
                    let page = json!({ "rows": [row(1)], "next": 2 }).to_string();
                    Reply::of(200, page).with("link", "<?page=2>; rel=next")
                }
                true if blanks() => nothing(answer),
                true => Reply::json(
                    200,
                    &json!({ "rows": [json!({ "key": "second" })], "next": null }),
                ),
            }
        })
        .await;
        let world = World::new(
            source,
            Flow {
                extract,
                ..Flow::default()
            },
        )
        .await;
        assert_eq!(
            outcomes(&world.sync().await),
            [("created", 2)],
            "{extract}, {answer:?}"
        );
        assert_eq!(world.source.requests().len(), 3, "{extract}, {answer:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_says_by_itself_whether_another_page_follows() {
    let source = FakeServer::start(|request| match &*request.query["page"] {
        "1" => Reply::of(200, json!({ "rows": [row(1)], "more": true }).to_string()),
        _ => nothing(NOTHING[0]),
    })
    .await;
    let extract =
        "format: text\npaginate: { page: { param: page, last: 'fromjson | .more | not' } }";
    let world = World::new(
        source,
        Flow {
            extract,
            records: "'fromjson | .rows[]'",
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(world.source.query_values("page"), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_deletions_with_nothing_to_say_deletes_nothing() {
    let extract = "deletions: { request: GET /deleted, records: \".deleted[]\", key: .id }";
    let source = FakeServer::start(|request| match request.path.as_str() {
        "/rows" => Reply::rows(json!([row(1)])),
        _ => nothing(NOTHING[0]),
    })
    .await;
    let world = World::new(
        source,
        Flow {
            extract,
            load: DELETE,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_suddenly_has_nothing_to_say_is_no_success() {
    let left = std::sync::Mutex::new(1);
    let source = FakeServer::start(move |_| match std::mem::take(&mut *left.lock().unwrap()) {
        1 => Reply::rows(json!([row(1)])),
        _ => nothing(NOTHING[0]),
    })
    .await;
    let world = World::new(source, Flow::default()).await;
    assert_eq!(world.sync().await.warning, None);
    assert!(
        world
            .sync()
            .await
            .warning
            .unwrap()
            .contains("no records at all")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_deletes_nothing_where_nothing_was_said() {
    let cases = [
        ((304, ""), "304 Not Modified", 100),
        ((200, ""), "answered 200 OK and nothing else", 100),
        ((200, "\r\n"), "answered 200 OK and nothing else", 100),
        ((204, ""), "does not list 1 of the 1 records", 10),
    ];
    join_all(cases.map(async |(answer, said, max_deletes)| {
        let left = std::sync::Mutex::new(1);
        let source = FakeServer::start(move |_| match std::mem::take(&mut *left.lock().unwrap()) {
            1 => Reply::rows(json!([row(1)])),
            _ => nothing(answer),
        })
        .await;
        let extract = format!("sweep: {{ max_deletes: {max_deletes} }}").leak();
        let world = World::new(
            source,
            Flow {
                extract,
                load: DELETE,
                ..Flow::default()
            },
        )
        .await;
        world.sync().await;
        let error = failure(world.sync().await);
        assert!(error.contains(said), "{error}");
        assert_eq!(world.shop.server.count_method("DELETE"), 0);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_with_nothing_to_say_has_found_nothing() {
    let load =
        r#"lookup: { request: "GET /things?key={.key}", id: ".rows[0].id", before_create: true }"#;
    join_all(NOTHING.map(async |answer| {
        let (world, _) = World::with_rows(
            [row(1)],
            Flow {
                load,
                ..Flow::default()
            },
        )
        .await;
        world
            .shop
            .intercept(move |request| (request.method == "GET").then(|| nothing(answer)));
        assert_eq!(
            outcomes(&world.sync().await),
            [("created", 1)],
            "{answer:?}"
        );
        assert_eq!(world.shop.server.count_method("GET"), 1, "{answer:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blank_answer_to_a_look_up_says_nothing_while_a_create_is_in_doubt() {
    for answer in NOTHING.into_iter().filter(|(status, _)| *status != 204) {
        let (world, _) = World::with_rows([json!({"key": "a"})], Flow::with_lookup()).await;
        let (creates, look_ups) = (std::sync::Mutex::new(1), std::sync::Mutex::new(1));
        let take = |left: &std::sync::Mutex<usize>| std::mem::take(&mut *left.lock().unwrap()) > 0;
        world.shop.put("t7", json!({"key": "a"}));
        world.shop.intercept(move |request| match &*request.method {
            "POST" if take(&creates) => Some(Reply::json(500, &json!({}))),
            "GET" if take(&look_ups) => Some(nothing(answer)),
            _ => None,
        });
        assert_eq!(
            outcomes(&world.sync().await),
            [("updated", 1)],
            "{answer:?}"
        );
        let asked = |method| world.shop.server.count_method(method);
        assert_eq!((asked("POST"), asked("GET")), (1, 2), "{answer:?}");
    }
}

/// A source with the row `a` and this response to the request for its details.
async fn with_details(answer: (u16, &'static str), extract: &'static str) -> World {
    let source = FakeServer::start(move |request| match request.path.as_str() {
        "/rows" => Reply::rows(json!([{ "key": "a" }])),
        _ => nothing(answer),
    })
    .await;
    World::new(
        source,
        Flow {
            extract,
            load: DELETE,
            ..Flow::default()
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_details_have_nothing_to_say_is_gone() {
    join_all(NOTHING.map(async |answer| {
        let world = with_details(answer, "fetch: { request: \"GET /rows/{.key}\" }").await;
        assert_eq!(
            outcomes(&world.sync().await),
            [("unchanged", 1)],
            "{answer:?}"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_only_asked_for_if_it_has_changed_is_not_gone() {
    let extract = "fetch: { request: \"GET /rows/{.key}\", headers: { If-None-Match: '\"1\"' } }";
    let world = with_details((304, ""), extract).await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert!(
        world
            .only_dead()
            .await
            .error
            .contains("answered 304 Not Modified")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_with_nothing_to_say_where_its_id_should_be_is_looked_up() {
    join_all([(204, ""), (201, ""), (200, "\n")].map(async |answer| {
        let flow = Flow::with_lookup();
        let (world, _) = World::with_rows([json!({"key": "a"})], flow).await;
        world.shop.lose_answers("POST", 1, move || nothing(answer));
        assert_eq!(
            outcomes(&world.sync().await),
            [("updated", 1)],
            "{answer:?}"
        );
        assert_eq!(world.shop.server.count_method("POST"), 1, "{answer:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_breaks_off_before_its_first_byte_is_not_empty() {
    use tokio::{io::AsyncWriteExt, net::TcpListener};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let whole = json!({ "rows": [row(1)] }).to_string();
    tokio::spawn(async move {
        for body in ["", &whole] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = whole.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let (world, _) = World::with_rows::<0>([], Flow::default()).await;
    let system = world.system("source").replace(&world.source.url, &url);
    world.write("systems/source.yaml", &system);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
}
