//! Sending dead letters back.

use pomost_models::{RunId, Stage};
use serde_json::json;

use crate::support::{Flow, Printed, Reply, World, outcomes};

/// The run that `dead replay` says it sent letters to.
fn run_of(printed: &Printed) -> RunId {
    assert_eq!(printed.code, 0, "{printed:?}");
    printed.out.split_whitespace().next_back().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_when_the_destination_was_mended() {
    let (world, _) = World::with_rows([json!({"key": "a"}), json!({"key": "b"})], Flow::default()).await;
    world.shop.fail("POST", 2, || Reply::json(422, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("dead", 2)]);
    let replayed = world.pomost(&["dead", "replay", "--flow", "things"]).await;
    assert_eq!(outcomes(&world.finish(run_of(&replayed)).await), [("created", 2)]);
    assert!(world.dead().await.is_empty());
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_through_the_mapping_again_when_that_was_mended() {
    let flow = |transform| Flow { transform, ..Flow::default() };
    let (world, _) =
        World::with_rows([json!({"key": "a", "n": "1,5"})], flow("map: '{ key, n: (.n | tonumber) }'")).await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    world.set_flow(flow("map: '{ key, n: (.n | decimal) }'"));
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(outcomes(&world.finish(run_of(&replayed)).await), [("created", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1.5}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_died_at_the_destination_can_be_mapped_anew() {
    let flow = |transform| Flow { transform, ..Flow::default() };
    let (world, _) = World::with_rows([json!({"key": "a", "n": 1})], flow("map: '{ key, m: .n }'")).await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({ "error": "n is missing" })));
    world.sync().await;
    assert_eq!(world.only_dead().await.stage, Stage::Load);
    world.set_flow(flow("map: '{ key, n: .n }'"));
    let replayed = world.pomost(&["dead", "replay", "--all", "--from", "transform"]).await;
    assert_eq!(outcomes(&world.finish(run_of(&replayed)).await), [("created", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_key_is_replayed_when_the_flow_knows_where_the_key_is() {
    let (world, _) = World::with_rows([json!({"kay": "a"})], Flow::default()).await;
    world.sync().await;
    let flow = std::fs::read_to_string(world.directory().join("flows/things.yaml")).unwrap();
    world.write("flows/things.yaml", &flow.replace("key: .key", "key: .kay"));
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(outcomes(&world.finish(run_of(&replayed)).await), [("created", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_cannot_go_to_a_stage_it_never_reached() {
    let flow = Flow { transform: "map: 'error(\"no\")'", ..Flow::default() };
    let (world, _) = World::with_rows([json!({"key": "a"})], flow).await;
    world.sync().await;
    let refused = world.pomost(&["dead", "replay", "--all", "--from", "load"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("it has not come as far as load"), "{refused:?}");
    assert_eq!(world.dead().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_keeps_one_copy() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    world.sync().await;
    let id = world.only_dead().await.id;
    let first = run_of(&world.pomost(&["dead", "replay", &id]).await);
    let second = world.pomost(&["dead", "replay", &id]).await;
    assert_eq!(second.code, 1, "{second:?}");
    assert_eq!(outcomes(&world.finish(first).await), [("created", 1)]);
    assert_eq!(world.shop.things().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_letter_is_not_replayed_over_what_came_after_it() {
    let flow = Flow { extract: "version: .v", ..Flow::default() };
    let (world, rows) = World::with_rows([json!({"key": "a", "v": 1})], flow).await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    world.sync().await;
    rows.set([json!({"key": "a", "v": 2})]);
    world.sync().await;
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(outcomes(&world.finish(run_of(&replayed)).await), [("stale", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","v":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_dies_again_is_a_letter_again() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.fail("POST", 2, || Reply::json(422, &json!({})));
    world.sync().await;
    let first = world.only_dead().await.id;
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(outcomes(&world.finish(run_of(&replayed)).await), [("dead", 1)]);
    assert_ne!(world.only_dead().await.id, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_is_neither_listed_nor_replayed() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    world.sync().await;
    let id = world.only_dead().await.id;
    let discarded = world.pomost(&["dead", "discard", "--class", "invalid"]).await;
    assert_eq!(discarded.out, "1 dead letters discarded\n");
    assert!(world.dead().await.is_empty());
    assert_eq!(world.pomost(&["dead", "replay", &id]).await.code, 1);
    assert_eq!(world.pomost(&["dead", "show", &id]).await.code, 0);
}
