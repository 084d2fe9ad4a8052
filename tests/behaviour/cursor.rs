//! How far a source has been read.

use serde_json::json;

use crate::support::{Flow, Reply, Server, World, failure, outcomes, row};

const FLOW: Flow = Flow {
    request: "GET /rows?since={$cursor}",
    records: ".rows[]",
    extract: "paginate: { token: { value: .next, param: token } }\ncursor: { value: .at, start: \"2020-01-01\" }",
    transform: "",
    load: "",
    create: "",
    writes: "",
    rest: "",
};

const CURSOR: &str = "cursor: { value: .at, start: \"2020-01-01\" }";

/// Three pages whose highest row is in the middle.
async fn source() -> Server {
    Server::start(|seen| match seen.query.get("token").map(String::as_str) {
        None => Reply::json(200, &json!({ "rows": [row(2), row(1)], "next": "b" })),
        Some("b") => Reply::json(200, &json!({ "rows": [row(9), row(4)], "next": "c" })),
        Some(_) => Reply::json(200, &json!({ "rows": [row(3)], "next": null })),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_moves_to_the_highest_value_and_the_next_run_begins_there() {
    let world = World::new(source().await, FLOW).await;
    world.sync().await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-09");
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 5)]);
    let since = world.source.asked_for("since");
    assert_eq!(since, ["2020-01-01", "2020-01-01", "2020-01-01", "2026-01-09", "2026-01-09", "2026-01-09"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_read_to_its_end_leaves_the_cursor_where_it_is() {
    let source = Server::start(|seen| match seen.query.get("token") {
        None => Reply::json(200, &json!({ "rows": [row(2)], "next": "b" })),
        Some(_) => Reply::json(400, &json!({ "error": "gone mad" })),
    })
    .await;
    let world = World::new(source, FLOW).await;
    assert!(failure(world.sync().await).contains("400"));
    assert_eq!(world.cursor().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_reaches_back_behind_the_cursor() {
    let extract = "cursor: { value: .at, start: \"2020-01-01\", overlap: 2d }";
    let flow = || Flow { request: FLOW.request, extract, ..Flow::default() };
    let (world, rows) = World::with_rows([row(9)], flow()).await;
    world.sync().await;
    rows.set([row(8), row(9), row(10)]);
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("unchanged", 1)]);
    assert_eq!(world.source.asked_for("since"), ["2020-01-01", "2026-01-07"]);
    assert_eq!(world.cursor().await.unwrap(), "2026-01-10");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_from_earlier_does_not_move_the_cursor_back() {
    let flow = Flow {
        request: FLOW.request,
        extract: "cursor: { value: .at, start: \"2020-01-01\" }",
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([row(9)], flow).await;
    world.sync().await;
    rows.set([row(5)]);
    assert_eq!(outcomes(&world.sync_since(Some("2026-01-04")).await), [("created", 1)]);
    assert_eq!(world.source.asked_for("since"), ["2020-01-01", "2026-01-04"]);
    assert_eq!(world.cursor().await.unwrap(), "2026-01-09");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_records_leaves_the_cursor_where_it_is() {
    let flow = Flow {
        request: FLOW.request,
        extract: "cursor: { value: .at, start: \"2020-01-01\" }",
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([row(9)], flow).await;
    world.sync().await;
    rows.set([]);
    assert_eq!(outcomes(&world.sync().await), []);
    assert_eq!(world.cursor().await.unwrap(), "2026-01-09");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_beyond_the_cursor_leaves_it_where_it_is_so_that_no_gap_stays_unread() {
    let (world, rows) =
        World::with_rows([row(3)], Flow { request: FLOW.request, extract: CURSOR, ..Flow::default() }).await;
    world.sync().await;
    rows.set([row(9)]);
    world.sync_since(Some("2026-01-08")).await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-03");
    world.sync_since(Some("2026-01-01")).await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-09");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_from_beyond_the_start_leaves_no_cursor() {
    let (world, _) =
        World::with_rows([row(9)], Flow { request: FLOW.request, extract: CURSOR, ..Flow::default() }).await;
    world.sync_since(Some("2026-01-08")).await;
    assert_eq!(world.cursor().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_type_is_the_row_s_fault_and_does_not_move_the_cursor() {
    let extract = "cursor: { value: .n, start: \"0\" }";
    let flow = Flow { request: FLOW.request, extract, ..Flow::default() };
    let (world, rows) = World::with_rows([json!({ "key": "a", "n": 7 })], flow).await;
    world.sync().await;
    let numbered = |key: &str, n: serde_json::Value| json!({ "key": key, "n": n });
    rows.set([numbered("b", json!("zzz")), numbered("c", json!("")), numbered("d", json!(9))]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 2)]);
    assert_eq!(world.cursor().await.unwrap(), "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_for_a_flow_without_a_cursor_is_refused() {
    let (world, _) = World::with_rows([row(1)], Flow::default()).await;
    assert!(failure(world.sync_since(Some("2026-01-01")).await).contains("extract.cursor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_from_the_far_future_crosses_and_hides_nothing_that_comes_after_it() {
    let flow = Flow { request: FLOW.request, extract: CURSOR, ..Flow::default() };
    let far = json!({ "key": "far", "at": "9999-12-31T00:00:00Z" });
    let (world, rows) =
        World::with_rows([far.clone(), json!({ "key": "a", "at": "2026-01-02T00:00:00Z" })], flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    assert_eq!(world.cursor().await.unwrap(), "2026-01-02T00:00:00Z");
    rows.set([far, json!({ "key": "b", "at": "2026-01-03T00:00:00Z" })]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("unchanged", 1)]);
    assert_eq!(world.source.asked_for("since"), ["2020-01-01", "2026-01-02T00:00:00Z"]);
}
