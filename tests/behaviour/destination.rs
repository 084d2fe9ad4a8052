//! Writes to the destination.

use serde_json::json;

use crate::support::{Flow, Reply, World, outcomes};

const DELETES: &str = "delete: { request: \"DELETE /things/{$id}\" }";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_a_record_that_has_not_changed() {
    let (world, rows) = World::with_rows([json!({"key": "a", "n": 1})], Flow::default()).await;
    world.sync().await;
    world.shop.server.forget_requests();
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    assert!(world.shop.server.requests().is_empty());
    rows.set([json!({"key": "a", "n": 1}), json!({"key": "b", "n": 1})]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_updated_under_the_destination_s_id() {
    let (world, rows) = World::with_rows(
        [json!({"key": "a", "n": 1}), json!({"key": "b", "n": 1})],
        Flow::default(),
    )
    .await;
    world.sync().await;
    world.shop.server.forget_requests();
    rows.set([json!({"key": "a", "n": 1}), json!({"key": "b", "n": 2})]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("updated", 1), ("unchanged", 1)]
    );
    assert_eq!(world.shop.server.requests().len(), 1);
    assert!(
        world
            .shop
            .things()
            .contains(&r#"{"key":"b","n":2}"#.to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_record_is_deleted_once_and_may_come_back() {
    let flow = Flow {
        extract: "deleted: .gone",
        load: DELETES,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({"key": "a"})], flow).await;
    world.sync().await;
    rows.set([json!({"key": "a", "gone": true})]);
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
    assert!(world.shop.things().is_empty());
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    assert_eq!(world.shop.server.count_method("DELETE"), 1);
    rows.set([json!({"key": "a"})]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_what_was_never_seen_sends_nothing() {
    let flow = Flow {
        extract: "deleted: .gone",
        load: DELETES,
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "a", "gone": true})], flow).await;
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
    assert!(world.shop.server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_what_the_destination_has_lost_already_is_well() {
    let flow = Flow {
        extract: "deleted: .gone",
        load: DELETES,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({"key": "a"})], flow).await;
    world.sync().await;
    world.shop.empty();
    rows.set([json!({"key": "a", "gone": true})]);
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_destination_has_lost_is_made_there_again() {
    let (world, rows) = World::with_rows([json!({"key": "a", "n": 1})], Flow::default()).await;
    world.sync().await;
    world.shop.empty();
    rows.set([json!({"key": "a", "n": 2})]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
    rows.set([json!({"key": "a", "n": 3})]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_destination_has_already_is_looked_up_and_updated() {
    let flow = Flow::with_lookup();
    let (world, rows) = World::with_rows([json!({"key": "a", "n": 1})], flow).await;
    world.shop.put("t0007", json!({"key": "a", "n": 0}));
    world.shop.fail("POST", 1, || {
        Reply::json(409, &json!({ "error": "exists" }))
    });
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
    rows.set([json!({"key": "a", "n": 2})]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.server.count_method("GET"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_is_not_applied_over_a_newer_one() {
    let flow = Flow {
        extract: "version: .v",
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({"key": "a", "v": 10})], flow).await;
    world.sync().await;
    rows.set([json!({"key": "a", "v": 9})]);
    assert_eq!(outcomes(&world.sync().await), [("stale", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","v":10}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_key_that_comes_twice_in_one_page_the_newest_version_wins() {
    let flow = Flow {
        extract: "version: .v",
        ..Flow::default()
    };
    let rows = [
        json!({"key": "a", "v": 9}),
        json!({"key": "a", "v": 10}),
        json!({"key": "a", "v": 8}),
    ];
    let (world, _) = World::with_rows(rows, flow).await;
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("stale", 2)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","v":10}"#]);
    assert_eq!(world.shop.server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_in_a_url_is_percent_encoded() {
    let (world, rows) = World::with_rows([json!({"key": "a", "n": 1})], Flow::default()).await;
    world
        .shop
        .fail("POST", 1, || Reply::json(201, &json!({ "id": "../x y?z" })));
    world.sync().await;
    world
        .shop
        .intercept(|request| (request.method == "PUT").then(|| Reply::json(200, &json!({}))));
    rows.set([json!({"key": "a", "n": 2})]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(
        world.shop.server.requests()[1].path,
        "/things/..%2Fx%20y%3Fz"
    );
}
