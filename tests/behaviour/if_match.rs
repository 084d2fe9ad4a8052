//! Conditional updates and deletes: they fail where somebody else changed the record.

use pomost_models::DeadLetterReason;
use serde_json::{Value, json};

use crate::support::{Flow, LOOKUP, Reply, Rows, World, outcomes, replayed_in};

const REFUSES: &str = "create: { request: POST /things, id: .id }\n\
                       update: { request: \"PUT /things/{$id}\", if_match: true }\n\
                       delete: { request: \"DELETE /things/{$id}\", if_match: true }";
const OVERWRITES: &str = "create: { request: POST /things, id: .id }\n\
                          update: { request: \"PUT /things/{$id}\", if_match: overwrite }\n\
                          delete: { request: \"DELETE /things/{$id}\" }";

fn thing(n: u32) -> [Value; 1] {
    [json!({"key": "a", "n": n})]
}

/// The values of `If-Match` in the requests with a method; empty where a request has none.
fn conditions(world: &World, method: &str) -> Vec<String> {
    let requests = world
        .shop
        .server
        .requests()
        .into_iter()
        .filter(|request| request.method == method);
    requests
        .map(|request| request.headers.get("if-match").cloned().unwrap_or_default())
        .collect()
}

/// A world in which `a` was created and then changed by somebody else.
async fn changed_world(writes: &'static str) -> (World, Rows) {
    let flow = Flow {
        extract: "deleted: .gone",
        writes,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows(thing(1), flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    world.shop.put("t0001", json!({"key": "a", "n": "theirs"}));
    rows.set(thing(2));
    (world, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_names_the_etag_of_the_last_answer() {
    let flow = Flow {
        extract: "deleted: .gone",
        writes: REFUSES,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows(thing(1), flow).await;
    for n in 1..4 {
        rows.set(thing(n));
        world.sync().await;
    }
    rows.set([json!({"key": "a", "gone": true})]);
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
    assert_eq!(conditions(&world, "PUT"), [r#""t0001.1""#, r#""t0001.2""#]);
    assert_eq!(conditions(&world, "DELETE"), [r#""t0001.3""#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_changed_is_not_overwritten_before_somebody_says_so() {
    let (world, _) = changed_world(REFUSES).await;
    for _ in 0..2 {
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
        assert_eq!(world.dead().await.len(), 1);
    }
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":"theirs"}"#]);
    let letters = world.dead().await;
    assert_eq!(letters[0].reason, DeadLetterReason::Conflict);
    let said = "shop: PUT /things/{$id} answered 412 Precondition Failed: {\"error\":\"changed\"}; somebody else changed";
    assert!(letters[0].error.starts_with(said), "{}", letters[0].error);
    let replayed = world.pomost(&["dead", "replay", &letters[0].id]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("updated", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_changed_is_not_deleted() {
    let (world, rows) = changed_world(REFUSES).await;
    rows.set([json!({"key": "a", "gone": true})]);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.only_dead().await.reason, DeadLetterReason::Conflict);
    assert_eq!(world.shop.things().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_overwrites_reads_the_current_etag_and_tries_once_more() {
    let (world, rows) = changed_world(OVERWRITES).await;
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
    assert_eq!(conditions(&world, "PUT"), [r#""t0001.1""#, r#""t0001.2""#]);
    assert_eq!(world.shop.server.requests()[2].path, "/things/t0001");
    rows.set(thing(3));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(conditions(&world, "PUT")[2], r#""t0001.3""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_it_again_in_between_is_not_overwritten() {
    let (world, _) = changed_world(OVERWRITES).await;
    world.shop.fail("PUT", 2, || Reply::json(412, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.only_dead().await.reason, DeadLetterReason::Conflict);
    assert_eq!(world.shop.server.count_method("PUT"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_when_its_etag_is_read_is_made_again() {
    let (world, _) = changed_world(OVERWRITES).await;
    world.shop.empty();
    world.shop.fail("PUT", 1, || Reply::json(412, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_our_own_that_broke_off_is_no_conflict() {
    let flow = Flow {
        extract: "deleted: .gone",
        writes: REFUSES,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows(thing(1), flow).await;
    world.sync().await;
    rows.set(thing(2));
    world.shop.lose_answers("PUT", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
    assert_eq!(
        conditions(&world, "PUT"),
        [r#""t0001.1""#, r#""t0001.1""#, r#""t0001.2""#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_etag_there_is_no_condition() {
    let writes = "create: { request: \"PUT /shelf/{$key}\" }\n\
                  update: { request: \"PUT /shelf/{$key}\", if_match: true }";
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
    assert_eq!(conditions(&world, "PUT"), ["", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_of_the_record_itself_tells_its_etag_and_a_list_does_not() {
    let updates = "update: { request: \"PUT /things/{$id}\", if_match: true }";
    let itself = r#"lookup: { request: "GET /things/{$key}", id: .id }"#;
    for (load, condition) in [(itself, r#""a.1""#), (LOOKUP, "")] {
        let (world, _) = World::with_rows(
            thing(1),
            Flow {
                load,
                writes: updates,
                ..Flow::default()
            },
        )
        .await;
        world.shop.put("a", json!({"key": "a"}));
        assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
        assert_eq!(conditions(&world, "PUT"), [condition]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_without_conditions_sends_none() {
    let (world, _) = changed_world(
        "create: { request: POST /things, id: .id }\n\
                                    update: { request: \"PUT /things/{$id}\" }\n\
                                    delete: { request: \"DELETE /things/{$id}\" }",
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(conditions(&world, "PUT"), [""]);
}
