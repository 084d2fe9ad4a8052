//! Paging through a source.

use std::sync::Mutex;

use pomost_extractor::Scheduling;
use serde_json::{Value, json};

use crate::support::{
    FakeServer, Flow, LOOKUP, ReceivedRequest, Reply, World, failure, outcomes, row,
};

/// Five rows on pages of two, two and one.
fn page(number: usize) -> Vec<Value> {
    let rows: Vec<Value> = (1..=5).map(row).collect();
    rows.chunks(2)
        .nth(number)
        .map(<[Value]>::to_vec)
        .unwrap_or_default()
}

fn number(request: &ReceivedRequest, parameter: &str) -> usize {
    request
        .query
        .get(parameter)
        .map_or(0, |value| value.parse().unwrap())
}

async fn reads_every_row_once(source: FakeServer, flow: Flow) -> World {
    let world = World::new(source, flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 5)]);
    assert_eq!(world.shop.things().len(), 5);
    world
}

async fn fails(source: FakeServer, extract: &'static str) -> (World, String) {
    let world = World::new(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    let error = failure(world.sync().await);
    (world, error)
}

const NEXT: &str = "paginate: { next: .next }";
const TOKEN: &str = "paginate: { token: { value: .next, param: token } }";

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_next_url_is_followed() {
    let source = FakeServer::start(|request| {
        let (number, host) = (number(request, "p"), &request.headers["host"]);
        let next = (number < 2).then(|| format!("http://{host}/rows?p={}", number + 1));
        Reply::json(200, &json!({ "rows": page(number), "next": next }))
    })
    .await;
    let world = reads_every_row_once(
        source,
        Flow {
            extract: NEXT,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(world.source.query_values("p"), ["", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relative_next_url_is_relative_to_the_page_that_names_it() {
    let source = FakeServer::start(|request| match request.path.as_str() {
        "/rows" => Reply::json(200, &json!({ "rows": page(0), "next": "rows/more/1" })),
        "/rows/more/1" => Reply::json(200, &json!({ "rows": page(1), "next": "2?last=yes" })),
        "/rows/more/2" => Reply::json(200, &json!({ "rows": page(2), "next": null })),
        _ => Reply::json(404, &json!({})),
    })
    .await;
    reads_every_row_once(
        source,
        Flow {
            extract: NEXT,
            ..Flow::default()
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_numbers_travel_in_a_parameter_of_their_own() {
    let source = FakeServer::start(|request| Reply::rows(page(number(request, "page") - 1))).await;
    let flow = Flow {
        extract: "paginate: { page: { param: page } }",
        ..Flow::default()
    };
    let world = reads_every_row_once(source, flow).await;
    assert_eq!(world.source.query_values("page"), ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_numbers_travel_where_the_request_says() {
    let source = FakeServer::start(|request| {
        Reply::rows(page(
            request.path.trim_start_matches("/rows/").parse().unwrap(),
        ))
    })
    .await;
    let extract = "paginate: { page: { start: 0 } }";
    reads_every_row_once(
        source,
        Flow {
            request: "GET /rows/{$page}",
            extract,
            ..Flow::default()
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_page_may_name_itself() {
    let source = FakeServer::start(|request| {
        let number = number(request, "page");
        match number {
            1..=3 => Reply::json(
                200,
                &json!({ "rows": page(number - 1), "last": number == 3 }),
            ),
            _ => Reply::json(400, &json!({ "error": "no such page" })),
        }
    })
    .await;
    let extract = "paginate: { page: { param: page, last: .last } }";
    let world = reads_every_row_once(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(world.source.query_values("page"), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_grow_by_the_rows_that_came() {
    let source = FakeServer::start(|request| {
        Reply::rows(
            (1..=5)
                .map(row)
                .skip(number(request, "skip"))
                .take(2)
                .collect::<Vec<_>>(),
        )
    })
    .await;
    let flow = Flow {
        extract: "paginate: { offset: { param: skip } }",
        ..Flow::default()
    };
    let world = reads_every_row_once(source, flow).await;
    assert_eq!(world.source.query_values("skip"), ["0", "2", "4", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_handed_back() {
    let source = FakeServer::start(|request| {
        let number = match request.query.get("token").map(String::as_str) {
            None => 0,
            Some("one & two") => 1,
            Some(_) => 2,
        };
        let next = ["one & two", "3", ""][number];
        Reply::json(200, &json!({ "rows": page(number), "next": next }))
    })
    .await;
    reads_every_row_once(
        source,
        Flow {
            extract: TOKEN,
            ..Flow::default()
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_page_and_an_empty_page_in_the_middle_end_nothing() {
    for extract in [
        "paginate: { next: '.next | if . then \"?token=\" + . else null end' }",
        TOKEN,
    ] {
        let source = FakeServer::start(|request| {
            let pages = [
                vec![row(1), row(2)],
                vec![row(3)],
                vec![],
                vec![row(4), row(5)],
            ];
            let number = number(request, "token");
            let next = (number < 3).then(|| (number + 1).to_string());
            Reply::json(200, &json!({ "rows": pages[number], "next": next }))
        })
        .await;
        reads_every_row_once(
            source,
            Flow {
                extract,
                ..Flow::default()
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_which_every_row_is_left_out_does_not_end_next_paging() {
    let source = FakeServer::start(|request| {
        let number = number(request, "p");
        let rows = page(number)
            .into_iter()
            .map(|row| json!({ "row": row, "wanted": number != 1 }));
        let next = (number < 2).then(|| format!("?p={}", number + 1));
        Reply::json(
            200,
            &json!({ "rows": rows.collect::<Vec<_>>(), "next": next }),
        )
    })
    .await;
    let flow = Flow {
        records: ".rows[] | select(.wanted) | .row",
        extract: NEXT,
        ..Flow::default()
    };
    let world = World::new(source, flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_names_a_page_again_fails_the_run() {
    for extract in [NEXT, TOKEN] {
        let asked = Mutex::new(0);
        let source = FakeServer::start(move |_| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            Reply::json(200, &json!({ "rows": [row(*asked)], "next": "?p=again" }))
        })
        .await;
        let (world, error) = fails(source, extract).await;
        assert!(error.contains("read already"), "{error}");
        assert!(world.source.count_method("GET") <= 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ignores_the_page_fails_the_run() {
    for extract in [
        "paginate: { page: { param: page } }",
        "paginate: { offset: { param: skip } }",
    ] {
        let source = FakeServer::start(|_| Reply::rows(page(0))).await;
        let (world, error) = fails(source, extract).await;
        assert!(error.contains("ignores the page"), "{error}");
        assert_eq!(world.source.count_method("GET"), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_looks_like_the_one_before_it_since_rows_moved_is_no_failure() {
    let source = FakeServer::start(|request| match request.query["page"].as_str() {
        // One row a page; while the first was read, another row came before it.
        "1" | "2" => Reply::rows(vec![row(1)]),
        "3" => Reply::rows(vec![row(2)]),
        _ => Reply::rows(Vec::<Value>::new()),
    })
    .await;
    let world = World::new(
        source,
        Flow {
            extract: "paginate: { page: { param: page } }",
            ..Flow::default()
        },
    )
    .await;
    let summary = world.sync().await;
    assert_eq!((summary.counts.records, world.shop.things().len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ignores_the_page_is_found_out_whatever_else_its_answers_say() {
    let served = Mutex::new(0);
    let source = FakeServer::start(move |_| {
        let mut served = served.lock().unwrap();
        *served += 1;
        Reply::json(200, &json!({ "rows": page(0), "served": *served }))
    })
    .await;
    let (world, error) = fails(source, "paginate: { page: { param: page } }").await;
    assert!(error.contains("ignores the page"), "{error}");
    assert_eq!(world.source.count_method("GET"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_takes_its_page_in_the_body_and_a_header() {
    let source = FakeServer::start(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let number = body["after"]
            .as_str()
            .map_or(0, |after| after.parse().unwrap());
        assert_eq!(
            (request.method.as_str(), &*request.headers["x-page"]),
            ("POST", &*format!("page '{number}'"))
        );
        let next = (number < 2).then(|| (number + 1).to_string());
        Reply::json(200, &json!({ "rows": page(number), "next": next }))
    })
    .await;
    let extract = "headers: { X-Page: \"page '{$page // \\\"0\\\"}'\" }\nbody: \"{ after: $page }\"\npaginate: { token: { value: .next } }";
    reads_every_row_once(
        source,
        Flow {
            request: "POST /search",
            extract,
            ..Flow::default()
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_url_on_another_host_is_refused_and_gets_no_credentials() {
    let elsewhere = FakeServer::start(|_| Reply::rows(page(1))).await;
    let url = elsewhere.url.clone();
    let source =
        FakeServer::start(move |_| Reply::json(200, &json!({ "rows": page(0), "next": url })))
            .await;
    let (world, error) = fails(source, NEXT).await;
    assert!(error.contains("outside the system"), "{error}");
    assert!(elsewhere.requests().is_empty());
    assert_eq!(
        world.source.requests()[0].headers["authorization"],
        "Bearer secret-of-the-tests"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_from_its_last_confirmed_page() {
    let hangs = Mutex::new(true);
    let source = FakeServer::start(move |request| {
        let number = number(request, "p");
        if number == 2 && std::mem::take(&mut *hangs.lock().unwrap()) {
            return Reply::never();
        }
        let next = (number < 2).then(|| format!("?p={}", number + 1));
        Reply::json(200, &json!({ "rows": page(number), "next": next }))
    })
    .await;
    let world = World::new(
        source,
        Flow {
            extract: NEXT,
            load: LOOKUP,
            ..Flow::default()
        },
    )
    .await;
    world.set_shop_timeout("5s");
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    pomost_tests::eventually(async || match world.source.count_method("GET") {
        3 => Ok(()),
        asked => Err(format!("{asked} pages asked for")),
    })
    .await;
    running.kill().await;
    assert_eq!(world.finish(run).await.counts.records, 5);
    assert_eq!(world.source.query_values("p"), ["", "1", "2", "2"]);
    assert!(world.dead().await.is_empty());
    assert_eq!(world.shop.things().len(), 5);
}

/// Of the first reading, the dead letter of the second row was never published, and the third row
/// crossed.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_read_again_with_fewer_rows_settles() {
    let flow = Flow::with_lookup();
    let keyless = json!({ "key": null });
    let (world, rows) = World::with_rows([row(1), keyless, row(3)], flow).await;
    let run = world.killed_before_its_dead_letters().await;
    rows.set([row(1)]);
    let summary = world.finish(run).await;
    assert_eq!(outcomes(&summary), [("created", 2)]);
    assert_eq!(summary.counts.records, 2);
}
