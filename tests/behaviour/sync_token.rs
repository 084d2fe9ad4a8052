//! Sources whose last response says where the next run begins: by a token or by a link.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use pomost_extractor::Scheduling;
use pomost_tests::eventually;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{FakeServer, Flow, ReceivedRequest, Reply, World, failure, outcomes};

const FLOW: Flow = Flow {
    request: "GET /rows?all=true",
    records: ".rows[]",
    extract: "paginate: { token: { value: .next, param: page } }\ncursor: { token: .sync, param: sync }",
    transform: "",
    load: "delete: { request: \"DELETE /things/{$id}\" }",
    create: "idempotency_header: Idempotency-Key",
    writes: "",
    rest: "",
};

/// The pages of a source: all rows for a request without a token, and then those that changed after
/// a token. The tokens are in no order.
fn answer(request: &ReceivedRequest) -> Value {
    let asked = |name: &str| request.query.get(name).map_or("", String::as_str);
    match (asked("sync"), asked("page")) {
        ("", "") => json!({ "rows": [{ "key": "a" }, { "key": "b" }], "next": "2" }),
        ("", "2") => json!({ "rows": [{ "key": "c" }], "sync": "Z" }),
        ("Z", "") => json!({ "rows": [{ "key": "d" }], "next": "2" }),
        ("Z", "2") => json!({ "rows": [], "sync": "M" }),
        ("M", "") => json!({ "rows": [{ "key": "e" }], "sync": "X" }),
        _ => json!({ "rows": [], "sync": "X" }),
    }
}

/// A source whose tokens expire when the flag is set, with this status.
async fn source(expired: &Arc<AtomicBool>, status: u16) -> FakeServer {
    let expired = expired.clone();
    FakeServer::start(move |request| {
        match request.query.contains_key("sync") && expired.load(Ordering::Relaxed) {
            true => Reply::json(status, &json!({ "error": "EXPIRED_SYNC_TOKEN" })),
            false => Reply::json(200, &answer(request)),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_begins_at_the_token_of_the_last_page_whatever_it_looks_like() {
    let world = World::new(source(&Arc::default(), 410).await, FLOW).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    assert_eq!(world.cursor().await.unwrap(), "Z");
    for (cursor, created) in [("M", 1), ("X", 1)] {
        let summary = world.sync().await;
        assert_eq!(
            (outcomes(&summary), summary.warning),
            (vec![("created", created)], None)
        );
        assert_eq!(world.cursor().await.unwrap(), cursor);
    }
    assert_eq!(world.source.query_values("sync"), ["", "", "Z", "Z", "M"]);
    assert_eq!(world.source.query_values("page"), ["", "2", "", "2", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_does_not_know_the_token_any_more_is_read_anew() {
    let expired = Arc::default();
    let world = World::new(source(&expired, 410).await, FLOW).await;
    world.sync().await;
    expired.store(true, Ordering::Relaxed);
    world.source.forget_requests();
    let summary = world.sync().await;
    assert_eq!(outcomes(&summary), [("unchanged", 3)]);
    assert!(summary.warning.unwrap().contains("read anew"));
    assert_eq!(world.source.query_values("sync"), ["Z", "", ""]);
    expired.store(false, Ordering::Relaxed);
    let summary = world.sync().await;
    assert_eq!(
        (outcomes(&summary), summary.warning),
        (vec![("created", 1)], None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_says_by_what_else_a_source_means_that_a_token_is_gone() {
    let expired = Arc::default();
    let extract: &str = format!(
        "{}\nanswers: [{{ status: 400, when: .body.error == \"EXPIRED_SYNC_TOKEN\", means: gone }}]",
        FLOW.extract
    )
    .leak();
    let world = World::new(source(&expired, 400).await, Flow { extract, ..FLOW }).await;
    world.sync().await;
    expired.store(true, Ordering::Relaxed);
    assert!(world.sync().await.warning.unwrap().contains("read anew"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_gone_altogether_fails_the_run_and_the_token_stays() {
    let gone: Arc<AtomicBool> = Arc::default();
    let is_gone = gone.clone();
    let source = FakeServer::start(move |request| match is_gone.load(Ordering::Relaxed) {
        true => Reply::json(404, &json!({})),
        false => Reply::json(200, &answer(request)),
    });
    let world = World::new(source.await, FLOW).await;
    world.sync().await;
    gone.store(true, Ordering::Relaxed);
    world.source.forget_requests();
    assert!(failure(world.sync().await).contains("404"));
    assert_eq!(world.source.query_values("sync"), ["Z", ""]);
    assert_eq!(world.cursor().await.unwrap(), "Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_reading_does_not_list_any_more_is_swept_and_no_other_run_sweeps() {
    let expired: Arc<AtomicBool> = Arc::default();
    let is_expired = expired.clone();
    let source = FakeServer::start(move |request| {
        match (
            request.query.get("sync"),
            is_expired.load(Ordering::Relaxed),
        ) {
            (Some(_), true) => Reply::json(410, &json!({})),
            (None, true) => Reply::json(
                200,
                &json!({ "rows": [{ "key": "b" }, { "key": "d" }], "sync": "Y" }),
            ),
            _ => Reply::json(200, &answer(request)),
        }
    });
    let extract: &str = format!("{}\nsweep: {{ max_deletes: 100 }}", FLOW.extract).leak();
    let world = World::new(source.await, Flow { extract, ..FLOW }).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    expired.store(true, Ordering::Relaxed);
    assert_eq!(
        outcomes(&world.sync().await),
        [("deleted", 2), ("unchanged", 2)]
    );
    assert_eq!(world.shop.things().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_a_token_that_somebody_names_leaves_the_cursor_where_it_is() {
    let world = World::new(source(&Arc::default(), 410).await, FLOW).await;
    world.sync().await;
    assert_eq!(
        outcomes(&world.sync_since(Some("M")).await),
        [("created", 1)]
    );
    assert_eq!(world.cursor().await.unwrap(), "Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_read_to_its_end_leaves_the_token() {
    let source = FakeServer::start(|request| match request.query.get("page") {
        None => Reply::json(
            200,
            &json!({ "rows": [{ "key": "a" }], "next": "2", "sync": "A" }),
        ),
        Some(_) => Reply::json(400, &json!({})),
    });
    let world = World::new(source.await, FLOW).await;
    failure(world.sync().await);
    assert_eq!(world.cursor().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_not_forgotten_when_the_run_is_killed_after_the_page_that_had_it() {
    let (_open, gate) = watch::channel(false);
    let killed: Arc<AtomicBool> = Arc::default();
    let was_killed = killed.clone();
    let source = FakeServer::start(move |request| {
        match (
            request.query.get("page"),
            was_killed.load(Ordering::Relaxed),
        ) {
            (None, _) => Reply::json(
                200,
                &json!({ "rows": [{ "key": "a" }], "next": "2", "sync": "A" }),
            ),
            (Some(_), false) => Reply::json(200, &json!({})).behind(gate.clone()),
            (Some(_), true) => Reply::json(200, &json!({ "rows": [{ "key": "b" }] })),
        }
    });
    let world = World::new(source.await, FLOW).await;
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    eventually(async || {
        if world.source.requests().len() == 2 {
            Ok(())
        } else {
            Err("not there yet")
        }
    })
    .await;
    running.kill().await;
    killed.store(true, Ordering::Relaxed);
    assert_eq!(outcomes(&world.finish(run).await), [("created", 2)]);
    assert_eq!(world.source.query_values("page"), ["", "2", "2"]);
    assert_eq!(world.cursor().await.unwrap(), "A");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_gives_no_token_is_told() {
    let source =
        FakeServer::start(|_| Reply::json(200, &json!({ "rows": [{ "key": "a" }] }))).await;
    let world = World::new(source, FLOW).await;
    assert!(
        world
            .sync()
            .await
            .warning
            .unwrap()
            .contains("no answer had what extract.cursor")
    );
    assert_eq!(world.cursor().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_longer_than_any_url_fails_the_run() {
    let source =
        FakeServer::start(|_| Reply::json(200, &json!({ "rows": [], "sync": "x".repeat(20_000) })))
            .await;
    let world = World::new(source, FLOW).await;
    assert!(failure(world.sync().await).contains("20000 bytes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_go_into_a_body_and_is_null_at_first() {
    let source = FakeServer::start(|request| {
        let asked: Value = serde_json::from_str(&request.body).unwrap();
        let next = if asked["cursor"].is_null() {
            "second"
        } else {
            "third"
        };
        Reply::json(200, &json!({ "rows": [{ "key": next }], "sync": next }))
    });
    let extract = "body: \"{ cursor: $cursor }\"\ncursor: { token: .sync }";
    let world = World::new(
        source.await,
        Flow {
            request: "POST /sync",
            extract,
            ..FLOW
        },
    )
    .await;
    world.sync().await;
    world.sync().await;
    assert_eq!(world.cursor().await.unwrap(), "third");
    assert_eq!(world.source.requests()[1].body, r#"{"cursor":"second"}"#);
}

/// A source with links like those of Microsoft Graph: the first page, the next one, and then the
/// changes.
async fn linked() -> FakeServer {
    FakeServer::start(|request| {
        let link = |token: &str| format!("/rows?token={token}");
        Reply::json(
            200,
            &match request.query.get("token").map(String::as_str) {
                None => json!({ "rows": [{ "key": "a" }], "@odata.nextLink": link("n1") }),
                Some("n1") => json!({ "rows": [{ "key": "b" }], "@odata.deltaLink": link("d1") }),
                Some("d1") => json!({ "rows": [{ "key": "c" }], "@odata.nextLink": link("n2") }),
                Some("n2") => json!({ "rows": [], "@odata.deltaLink": link("d0") }),
                _ => return Reply::json(410, &json!({})),
            },
        )
    })
    .await
}

const LINKS: Flow = Flow {
    request: "GET /rows",
    extract: "paginate: { next: '.[\"@odata.nextLink\"]' }\ncursor: { link: '.[\"@odata.deltaLink\"]' }",
    ..FLOW
};

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_begins_at_the_link_of_the_last_page_and_anew_where_that_is_gone() {
    let world = World::new(linked().await, LINKS).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    assert_eq!(
        world.cursor().await.unwrap(),
        format!("{}/rows?token=d1", world.source.url)
    );
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    let summary = world.sync().await;
    assert_eq!(outcomes(&summary), [("unchanged", 2)]);
    assert!(summary.warning.unwrap().contains("read anew"));
    assert_eq!(
        world.source.query_values("token"),
        ["", "n1", "d1", "n2", "d0", "", "n1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_the_system_is_refused_before_it_is_kept() {
    let source = FakeServer::start(|_| {
        Reply::json(
            200,
            &json!({ "rows": [], "@odata.deltaLink": "https://elsewhere.example/rows" }),
        )
    });
    let world = World::new(source.await, LINKS).await;
    assert!(failure(world.sync().await).contains("outside"));
    assert_eq!(world.cursor().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_nothing_to_say_names_no_token_and_a_quiet_run_is_no_oddity() {
    let cursors = [
        "cursor: { token: '.sync | tostring', param: sync }",
        "cursor: { link: '\"?sync=\" + .sync' }",
    ];
    let answers = [(204, false), (304, false), (200, true)];
    let cases = cursors
        .into_iter()
        .flat_map(|cursor| answers.map(|answer| (cursor, answer)));
    futures_util::future::join_all(cases.map(async |(extract, (status, is_odd))| {
        let source = FakeServer::start(move |request| match request.query.contains_key("sync") {
            false => Reply::json(200, &json!({ "rows": [{ "key": "a" }], "sync": "A" })),
            true => Reply::of(status, Vec::new()),
        });
        let world = World::new(
            source.await,
            Flow {
                request: "GET /rows",
                extract,
                ..FLOW
            },
        )
        .await;
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{extract}");
        let cursor = world.cursor().await;
        let summary = world.sync().await;
        assert_eq!(
            summary.warning.is_some(),
            is_odd,
            "{extract}, {status}: {:?}",
            summary.warning
        );
        assert_eq!(world.cursor().await, cursor, "{extract}, {status}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_deletions_that_does_not_know_the_token_says_how_to_begin_anew() {
    let source = FakeServer::start(|request| {
        match (
            &*request.path,
            request.query.get("since").map(String::as_str),
        ) {
            ("/rows", _) => Reply::json(200, &json!({ "rows": [{ "key": "a" }], "sync": "A" })),
            (_, Some("A")) => Reply::json(410, &json!({})),
            _ => Reply::json(200, &json!({ "rows": [] })),
        }
    });
    let extract = "cursor: { token: .sync, param: since }\n\
                   deletions: { request: 'GET /gone?since={$cursor // \"\"}', records: '.rows[]', key: .key }";
    let world = World::new(
        source.await,
        Flow {
            request: "GET /rows",
            extract,
            ..FLOW
        },
    )
    .await;
    world.sync().await;
    let error = failure(world.sync().await);
    assert!(error.contains("`pomost cursor set things`"), "{error}");
}
