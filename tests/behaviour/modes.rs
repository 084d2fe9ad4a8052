//! Flows that only create, update or delete.

use serde_json::{Value, json};

use crate::support::{Flow, LOOKUP, Reply, World, outcomes};

const CREATES: &str = "create: { request: POST /things, id: .id }";
const UPDATES: &str = "update: { request: \"PUT /things/{$id}\" }";
const DELETES: &str = "delete: { request: \"DELETE /things/{$id}\" }";
const SHELVES: &str =
    "create: { request: \"PUT /shelf/{$key}\" }\nupdate: { request: \"PUT /shelf/{$key}\" }";

fn thing(n: u32) -> [Value; 1] {
    [json!({"key": "a", "n": n})]
}

fn gone() -> [Value; 1] {
    [json!({"key": "a", "gone": true})]
}

fn writes(writes: &'static str) -> Flow {
    Flow {
        writes,
        ..Flow::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_only_creates_leaves_alone_what_it_created() {
    let (world, rows) = World::with_rows(thing(1), writes(CREATES)).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    for _ in 0..2 {
        rows.set(thing(2));
        assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
    }
    rows.set(thing(1));
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    assert_eq!(world.shop.server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_only_creates_leaves_alone_what_the_destination_has() {
    let (world, _) = World::with_rows(thing(1), writes(CREATES)).await;
    world.shop.fail("POST", 2, || Reply::json(409, &json!({})));
    for _ in 0..2 {
        assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
    }
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    let flow = Flow {
        load: r#"lookup: { request: "GET /things?key={.key}", id: .found, before_create: true }"#,
        ..writes(CREATES)
    };
    let (world, _) = World::with_rows(thing(1), flow).await;
    world.shop.put("t0001", json!({"key": "a", "n": 0}));
    assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("GET"),
            world.shop.server.count_method("POST")
        ),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_flow_that_only_creates_made_without_an_answer_counts_as_created() {
    let (world, rows) = World::with_rows(
        thing(1),
        Flow {
            load: LOOKUP,
            ..writes(CREATES)
        },
    )
    .await;
    world.shop.lose_answers("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    rows.set(thing(2));
    assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_only_updates_leaves_alone_what_the_look_up_does_not_find() {
    let (world, rows) = World::with_rows(
        thing(1),
        Flow {
            load: LOOKUP,
            ..writes(UPDATES)
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
    world.shop.put("t0007", json!({"key": "a"}));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    rows.set(thing(2));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("GET"),
            world.shop.server.count_method("POST")
        ),
        (2, 0)
    );
    world.shop.empty();
    rows.set(thing(3));
    assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_only_updates_knows_records_by_their_keys_where_it_cannot_look_them_up() {
    let rows = [json!({"key": "a", "n": 1}), json!({"key": "b", "n": 1})];
    let (world, _) = World::with_rows(rows, writes(UPDATES)).await;
    world.shop.put("a", json!({"key": "a", "n": 0}));
    assert_eq!(
        outcomes(&world.sync().await),
        [("updated", 1), ("filtered", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("unchanged", 1), ("filtered", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_only_deletes_sends_nothing_else() {
    for (load, id) in [("", "a"), (LOOKUP, "t0007")] {
        let flow = Flow {
            extract: "deleted: .gone",
            load,
            ..writes(DELETES)
        };
        let (world, rows) = World::with_rows(thing(1), flow).await;
        world.shop.put(id, json!({"key": "a"}));
        assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
        assert!(world.shop.server.requests().is_empty());
        rows.set(gone());
        assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
        assert!(world.shop.things().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_deletes_finds_gone_already_is_unchanged() {
    for load in ["", LOOKUP] {
        let flow = Flow {
            extract: "deleted: .gone",
            load,
            ..writes(DELETES)
        };
        let (world, _) = World::with_rows(gone(), flow).await;
        assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_put_under_their_keys_by_a_destination_that_answers_nothing() {
    let flow = Flow {
        extract: "deleted: .gone",
        load: DELETES,
        ..writes(SHELVES)
    };
    let (world, rows) = World::with_rows(thing(1), flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    rows.set(thing(2));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
    rows.set(gone());
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
    assert!(world.shop.things().is_empty());
    let paths: Vec<_> = world
        .shop
        .server
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/shelf/a", "/shelf/a", "/things/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_broke_off_is_repeated_whatever_it_puts() {
    for (writes, outcome) in [
        ("create: { request: \"PUT /shelf/{$key}\" }", "created"),
        (SHELVES, "updated"),
    ] {
        let flow = Flow {
            load: "retry: { attempts: 1 }",
            writes,
            ..Flow::default()
        };
        let (world, rows) = World::with_rows(thing(1), flow).await;
        world.set_shop_timeout("3s");
        // The first is not charged: it may be an outage's.
        world.shop.lose_answers("PUT", 2, Reply::broken_off);
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
        rows.set(thing(2));
        assert_eq!(outcomes(&world.sync().await), [(outcome, 1)]);
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_under_its_key_that_broke_off_is_cleared_up_by_an_update() {
    let writes = "create: { request: POST /things }\nupdate: { request: \"PUT /things/{$id}\" }";
    for took_place in [true, false] {
        let (world, _) = World::with_rows(
            thing(1),
            Flow {
                writes,
                ..Flow::default()
            },
        )
        .await;
        world.set_shop_timeout("4s");
        if took_place {
            world.shop.put("a", json!({"key": "a"}));
        }
        world.shop.fail("POST", 1, Reply::broken_off);
        let outcome = if took_place { "updated" } else { "created" };
        assert_eq!(outcomes(&world.sync().await), [(outcome, 1)]);
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
        assert_eq!(
            world.shop.server.count_method("POST"),
            if took_place { 1 } else { 2 }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_destination_had_before_is_found_and_updated_instead_of_made_twice() {
    let load = r#"lookup: { request: "GET /things?key={.key}", id: .found, before_create: true }"#;
    let rows = [json!({"key": "a", "n": 1}), json!({"key": "b", "n": 1})];
    let (world, rows) = World::with_rows(
        rows,
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.shop.put("t0007", json!({"key": "a", "n": 0}));
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("updated", 1)]
    );
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.server.count_method("GET")
        ),
        (1, 2)
    );
    rows.set([json!({"key": "a", "n": 2}), json!({"key": "b", "n": 2})]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 2)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.server.count_method("GET")
        ),
        (1, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_has_a_method_headers_and_a_body_of_its_own() {
    let writes = "create: { request: POST /things, id: .id }\n\
                  update: { request: \"PATCH /things/{$id}\", headers: { X-Key: \"{$key}\" }, body: \"{ n, id: $id }\" }";
    let (world, rows) = World::with_rows(
        thing(1),
        Flow {
            writes,
            ..Flow::default()
        },
    )
    .await;
    world.sync().await;
    rows.set(thing(2));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    let requests = world.shop.server.requests();
    assert_eq!(
        (
            requests[1].method.as_str(),
            requests[1].headers["x-key"].as_str()
        ),
        ("PATCH", "a")
    );
    assert_eq!(requests[1].body, r#"{"n":2,"id":"t0001"}"#);
}
