//! Cursors: the places up to which sources have been read.

use pomost_tests::eventually;
use serde_json::json;

use crate::support::{FakeServer, Flow, Reply, World, failure, outcomes, row};

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
async fn source() -> FakeServer {
    FakeServer::start(
        |request| match request.query.get("token").map(String::as_str) {
            None => Reply::json(200, &json!({ "rows": [row(2), row(1)], "next": "b" })),
            Some("b") => Reply::json(200, &json!({ "rows": [row(9), row(4)], "next": "c" })),
            Some(_) => Reply::json(200, &json!({ "rows": [row(3)], "next": null })),
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_moves_to_the_highest_value_and_the_next_run_begins_there() {
    let world = World::new(source().await, FLOW).await;
    world.sync().await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-09");
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 5)]);
    let since = world.source.query_values("since");
    assert_eq!(
        since,
        [
            "2020-01-01",
            "2020-01-01",
            "2020-01-01",
            "2026-01-09",
            "2026-01-09",
            "2026-01-09"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_read_to_its_end_leaves_the_cursor_where_it_is() {
    let source = FakeServer::start(|request| match request.query.get("token") {
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
    let flow = || Flow {
        request: FLOW.request,
        extract,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([row(9)], flow()).await;
    world.sync().await;
    rows.set([row(8), row(9), row(10)]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 2), ("unchanged", 1)]
    );
    assert_eq!(
        world.source.query_values("since"),
        ["2020-01-01", "2026-01-07"]
    );
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
    assert_eq!(
        outcomes(&world.sync_since(Some("2026-01-04")).await),
        [("created", 1)]
    );
    assert_eq!(
        world.source.query_values("since"),
        ["2020-01-01", "2026-01-04"]
    );
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
    let (world, rows) = World::with_rows(
        [row(3)],
        Flow {
            request: FLOW.request,
            extract: CURSOR,
            ..Flow::default()
        },
    )
    .await;
    world.sync().await;
    rows.set([row(9)]);
    world.sync_since(Some("2026-01-08")).await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-03");
    world.sync_since(Some("2026-01-01")).await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-09");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_from_beyond_the_start_leaves_no_cursor() {
    let (world, _) = World::with_rows(
        [row(9)],
        Flow {
            request: FLOW.request,
            extract: CURSOR,
            ..Flow::default()
        },
    )
    .await;
    world.sync_since(Some("2026-01-08")).await;
    assert_eq!(world.cursor().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_type_is_the_row_s_fault_and_does_not_move_the_cursor() {
    let extract = "cursor: { value: .n, start: \"0\" }";
    let flow = Flow {
        request: FLOW.request,
        extract,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({ "key": "a", "n": 7 })], flow).await;
    world.sync().await;
    let numbered = |key: &str, n: serde_json::Value| json!({ "key": key, "n": n });
    rows.set([
        numbered("b", json!("zzz")),
        numbered("c", json!([8])),
        numbered("d", json!(9)),
    ]);
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
    let flow = Flow {
        request: FLOW.request,
        extract: CURSOR,
        ..Flow::default()
    };
    let far = json!({ "key": "far", "at": "9999-12-31T00:00:00Z" });
    let (world, rows) = World::with_rows(
        [
            far.clone(),
            json!({ "key": "a", "at": "2026-01-02T00:00:00Z" }),
        ],
        flow,
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    assert_eq!(world.cursor().await.unwrap(), "2026-01-02T00:00:00Z");
    rows.set([far, json!({ "key": "b", "at": "2026-01-03T00:00:00Z" })]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 1)]
    );
    assert_eq!(
        world.source.query_values("since"),
        ["2020-01-01", "2026-01-02T00:00:00Z"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_has_no_cursor_yet_crosses_and_says_nothing_of_how_far_was_read() {
    let extract = "version: .at\ncursor: { value: .at, start: \"2020-01-01\" }";
    let flow = Flow {
        request: FLOW.request,
        extract,
        ..Flow::default()
    };
    let (never, empty) = (
        json!({ "key": "a", "at": null }),
        json!({ "key": "b", "at": "" }),
    );
    let (world, rows) = World::with_rows([never.clone(), empty], flow).await;
    let summary = world.sync().await;
    assert_eq!(
        (outcomes(&summary).as_slice(), summary.warning),
        ([("created", 2)].as_slice(), None)
    );
    assert_eq!(world.cursor().await, None);
    rows.set([never, row(3)]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 1)]
    );
    assert_eq!(world.cursor().await.unwrap(), "2026-01-03");
    // The first change of a record, which had no version before.
    rows.set([json!({ "key": "a", "at": "2026-01-04" })]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.cursor().await.unwrap(), "2026-01-04");
    assert_eq!(
        world.source.query_values("since"),
        ["2020-01-01", "2020-01-01", "2026-01-03"]
    );
}

/// A row with a local time of the night in which clocks are put back from 3:00 to 2:00.
fn at_night(key: &str, time: &str, state: &str) -> serde_json::Value {
    json!({ "key": key, "at": format!("2025-10-26 {time}"), "state": state })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_in_the_hour_that_comes_twice_arrives() {
    for version in [
        "version: .at",
        "version: .at\ntimezone: Europe/Warsaw",
        "version: '.at | datetime(\"%F %T\"; \"Europe/Warsaw\")'",
        "",
    ] {
        let extract =
            format!("{version}\ncursor: {{ value: .at, start: \"2020-01-01 00:00:00\" }}");
        let flow = Flow {
            request: FLOW.request,
            extract: extract.leak(),
            ..Flow::default()
        };
        let (world, rows) = World::with_rows([at_night("a", "02:50:00", "new")], flow).await;
        world.sync().await;
        rows.set([
            at_night("a", "02:10:00", "paid"),
            at_night("b", "02:12:00", "new"),
        ]);
        assert_eq!(
            outcomes(&world.sync().await),
            [("created", 1), ("updated", 1)],
            "{version}"
        );
        assert_eq!(
            world.source.query_values("since"),
            ["2020-01-01 00:00:00", "2025-10-26 01:59:59"],
            "{version}"
        );
        assert_eq!(world.cursor().await.unwrap(), "2025-10-26 02:50:00");
        rows.set([at_night("a", "01:50:00", "new")]);
        let stale = if version.is_empty() {
            "updated"
        } else {
            "stale"
        };
        assert_eq!(outcomes(&world.sync().await), [(stale, 1)], "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_clock_that_is_not_put_back_versions_decide_all_year_round() {
    let extract =
        "version: .at\ntimezone: UTC\ncursor: { value: .at, start: \"2020-01-01 00:00:00\" }";
    let flow = Flow {
        request: FLOW.request,
        extract,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([at_night("a", "02:50:00", "new")], flow).await;
    world.sync().await;
    rows.set([at_night("a", "02:10:00", "old")]);
    assert_eq!(outcomes(&world.sync().await), [("stale", 1)]);
    assert_eq!(
        world.source.query_values("since"),
        ["2020-01-01 00:00:00", "2025-10-26 02:50:00"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_set_while_a_run_reads_stays_as_it_was_set() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let source = FakeServer::start(move |request| match request.query.get("token") {
        None => Reply::json(200, &json!({ "rows": [row(2)], "next": "b" })),
        Some(_) => {
            Reply::json(200, &json!({ "rows": [row(9)], "next": null })).behind(gate.clone())
        }
    })
    .await;
    let world = World::new(source, FLOW).await;
    let running = world.start().await;
    let run = running.request(None).await;
    eventually(async || {
        if world.source.requests().len() == 2 {
            Ok(())
        } else {
            Err("not there yet")
        }
    })
    .await;
    world
        .backends()
        .await
        .store
        .set_cursor("things", Some("2026-01-01"))
        .await
        .unwrap();
    open.send(true).unwrap();
    let summary = running.ended(run).await;
    assert_eq!(outcomes(&summary), [("created", 2)]);
    let warning = summary.warning.unwrap();
    assert!(warning.contains("the cursor was set"), "{warning}");
    running.stop().await;
    assert_eq!(world.cursor().await.unwrap(), "2026-01-01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_set_in_another_writing_of_times_moves_on_in_the_source_s() {
    for (set, told) in [
        ("2026-01-01", "2026-03-01T10:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-03-01 10:00:00"),
    ] {
        let flow = Flow {
            request: FLOW.request,
            extract: CURSOR,
            ..Flow::default()
        };
        let (world, _) = World::with_rows([json!({ "key": "a", "at": told })], flow).await;
        world
            .backends()
            .await
            .store
            .set_cursor("things", Some(set))
            .await
            .unwrap();
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        assert_eq!(world.cursor().await.unwrap(), told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_texts_that_the_source_orders_otherwise_the_last_one_counts() {
    let extract = "cursor: { value: '.t // \"-\"', start: \"-\" }";
    let flow = Flow {
        request: FLOW.request,
        extract,
        ..Flow::default()
    };
    let told = |key: &str, t: &str| json!({ "key": key, "t": t });
    let (world, rows) = World::with_rows([json!({ "key": "a" }), told("b", "CPz")], flow).await;
    for (token, next) in [("CPz", "CKq"), ("CKq", "CAa"), ("CAa", "CZm")] {
        assert_eq!(world.sync().await.warning, None);
        assert_eq!(world.cursor().await.unwrap(), token);
        rows.set([json!({ "key": next }), told("b", next)]);
    }
    world.sync().await;
    assert_eq!(world.cursor().await.unwrap(), "CZm");
    assert_eq!(
        world.source.query_values("since"),
        ["-", "CPz", "CKq", "CAa"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_source_does_not_know_any_more_is_begun_anew_and_a_time_is_not() {
    let texts = "cursor: { value: .t, start: \"-\" }";
    let times = "cursor: { value: .at, start: \"2020-01-01\", overlap: 1d }";
    for (extract, begins_anew) in [(texts, true), (times, false)] {
        let source = FakeServer::start(|request| match request.query["since"].as_str() {
            "-" | "2020-01-01" => {
                Reply::rows([json!({ "key": "a", "t": "Z", "at": "2026-01-05" })])
            }
            _ => Reply::json(410, &json!({})),
        });
        let flow = Flow {
            request: FLOW.request,
            extract,
            ..Flow::default()
        };
        let world = World::new(source.await, flow).await;
        world.sync().await;
        let summary = world.sync().await;
        match begins_anew {
            true => assert!(
                summary.warning.as_ref().unwrap().contains("read anew"),
                "{summary:?}"
            ),
            false => {
                assert!(failure(summary).contains("`pomost cursor set things` lets the next run"))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_makes_no_sense_fails_the_run_before_anything_is_asked() {
    let flow = Flow {
        request: FLOW.request,
        extract: CURSOR,
        ..Flow::default()
    };
    let (world, _) = World::with_rows([row(9)], flow).await;
    assert!(failure(world.sync_since(Some("yesterday")).await).contains("expected a time"));
    assert!(world.source.requests().is_empty());
}
