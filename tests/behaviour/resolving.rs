//! Records in doubt, which somebody resolves by looking at the destination.

use pomost_models::DeadLetterReason;
use serde_json::json;

use crate::support::{Flow, Reply, World, outcomes, replayed_in};

/// A world with a letter in doubt: a create broke off, and the flow has no lookup.
async fn world() -> World {
    let (world, _) = World::with_rows([json!({"key": "a", "n": 1})], Flow::default()).await;
    world.shop.fail("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.only_dead().await.reason, DeadLetterReason::InDoubt);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_in_doubt_is_not_replayed_without_a_word_on_the_destination() {
    let world = world().await;
    let id = world.only_dead().await.id;
    let replayed = world.pomost(&["dead", "replay", &id]).await;
    assert_eq!((replayed.code, replayed.out.as_str()), (1, ""));
    assert!(
        replayed
            .err
            .contains("look there, then replay it with --absent or"),
        "{replayed:?}"
    );
    assert_eq!(world.only_dead().await.id, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_somebody_did_not_find_is_created() {
    let world = world().await;
    let replayed = world.pomost(&["dead", "replay", "--all", "--absent"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(world.shop.things().len(), 1);
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_somebody_found_is_updated_under_its_id() {
    let world = world().await;
    world.shop.put("t0007", json!({"key": "a"}));
    let id = world.only_dead().await.id;
    let all = world
        .pomost(&["dead", "replay", "--all", "--present", "t0007"])
        .await;
    assert_eq!(all.code, 1, "{all:?}");
    assert!(
        all.err
            .contains("--present takes the id of one dead letter"),
        "{all:?}"
    );
    let replayed = world
        .pomost(&["dead", "replay", &id, "--present", "t0007"])
        .await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("updated", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 1)]);
}

/// A flow with a lookup needs no resolution by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_in_doubt_is_replayed_without_a_word_once_the_flow_can_look() {
    let world = world().await;
    world.shop.put("t0001", json!({"key": "a"}));
    world.set_flow(Flow::with_lookup());
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("updated", 1)]
    );
    assert_eq!(world.shop.things().len(), 1);
}
