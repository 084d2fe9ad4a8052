//! Replays of dead letters.

use std::time::Duration;

use pomost_models::{DeadLetter, DeadLetterReason, RunId, Stage};
use pomost_operations::{
    open,
    replay::{ReplayRequest, Replayer},
};
use pomost_tests::eventually;
use serde_json::json;

use crate::support::{
    CommandOutput, Flow, RefusingBroker, Reply, Rows, World, outcomes, replayed_in,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_when_the_destination_was_mended() {
    let (world, _) =
        World::with_rows([json!({"key": "a"}), json!({"key": "b"})], Flow::default()).await;
    world.shop.fail("POST", 2, || Reply::json(422, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("dead", 2)]);
    let replayed = world.pomost(&["dead", "replay", "--flow", "things"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 2)]
    );
    assert!(world.dead().await.is_empty());
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_through_the_mapping_again_when_that_was_mended() {
    let flow = |transform| Flow {
        transform,
        ..Flow::default()
    };
    let (world, _) = World::with_rows(
        [json!({"key": "a", "n": "1,5"})],
        flow("map: '{ key, n: (.n | tonumber) }'"),
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    world.set_flow(flow("map: '{ key, n: (.n | decimal) }'"));
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1.5}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_died_at_the_destination_can_be_mapped_anew() {
    let flow = |transform| Flow {
        transform,
        ..Flow::default()
    };
    let (world, _) =
        World::with_rows([json!({"key": "a", "n": 1})], flow("map: '{ key, m: .n }'")).await;
    world.shop.fail("POST", 1, || {
        Reply::json(422, &json!({ "error": "n is missing" }))
    });
    world.sync().await;
    assert_eq!(world.only_dead().await.stage, Stage::Load);
    world.set_flow(flow("map: '{ key, n: .n }'"));
    let replayed = world
        .pomost(&["dead", "replay", "--all", "--from", "transform"])
        .await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_key_is_replayed_when_the_flow_knows_where_the_key_is() {
    let (world, _) = World::with_rows([json!({"kay": "a"})], Flow::default()).await;
    world.sync().await;
    let flow = std::fs::read_to_string(world.directory().join("flows/things.yaml")).unwrap();
    world.write("flows/things.yaml", &flow.replace("key: .key", "key: .kay"));
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
}

/// A part has a key of its own. The replay maps its whole row.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_row_is_mapped_anew_with_its_whole_row() {
    let flow = Flow {
        transform: "map: '.parts[] as $n | { key, n: $n }'",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "a", "parts": [1, 2]})], flow).await;
    world.shop.intercept(|request| {
        request
            .body
            .contains("2")
            .then(|| Reply::json(422, &json!({})))
    });
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("split", 1), ("dead", 1)]
    );
    world.shop.mend();
    let replayed = world
        .pomost(&["dead", "replay", "--all", "--from", "transform"])
        .await;
    let summary = world.finish(replayed_in(&replayed)).await;
    assert_eq!(
        outcomes(&summary),
        [("created", 1), ("unchanged", 1), ("split", 1)]
    );
    assert_eq!(
        world.shop.things(),
        [r#"{"key":"a","n":1}"#, r#"{"key":"a","n":2}"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_goes_back_to_extract_gets_the_key_of_the_flow_of_now() {
    let flow = Flow {
        transform: "map: 'error(\"no\")'",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "a", "id": "b"})], flow).await;
    world.sync().await;
    let flow = Flow {
        transform: "map: '{ key: $key }'",
        ..Flow::default()
    }
    .text();
    world.write("flows/things.yaml", &flow.replace("key: .key", "key: .id"));
    let replayed = world
        .pomost(&["dead", "replay", "--all", "--from", "extract"])
        .await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"b"}"#]);
}

/// A world with a letter of each of two stages.
async fn world_of_two_letters() -> World {
    let transform = "map: 'if .n == 1 then error(\"no\") else . end'";
    let rows = [json!({"key": "a", "n": 1}), json!({"key": "b", "n": 2})];
    let (world, _) = World::with_rows(
        rows,
        Flow {
            transform,
            ..Flow::default()
        },
    )
    .await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("dead", 2)]);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_chosen_by_flow_stage_and_class_together() {
    let world = world_of_two_letters().await;
    for none in [
        ["--flow", "others"],
        ["--stage", "extract"],
        ["--class", "poison"],
    ] {
        for action in ["replay", "discard"] {
            world.pomost(&["dead", action, none[0], none[1]]).await;
        }
        assert_eq!(world.dead().await.len(), 2, "{none:?}");
    }
    let chosen = ["--flow", "things", "--class", "invalid", "--stage", "load"];
    let replayed = world
        .pomost(&[&["dead", "replay"], &chosen[..]].concat())
        .await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(world.only_dead().await.stage, Stage::Transform);
    assert_eq!(
        world
            .pomost(&["dead", "discard", "--stage", "transform"])
            .await
            .code,
        0
    );
    assert!(world.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_cannot_go_to_a_stage_it_never_reached() {
    let flow = Flow {
        transform: "map: 'error(\"no\")'",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "a"})], flow).await;
    world.sync().await;
    let refused = world
        .pomost(&["dead", "replay", "--all", "--from", "load"])
        .await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("it has not come as far as load"),
        "{refused:?}"
    );
    assert_eq!(world.dead().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_keeps_one_copy() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    world.sync().await;
    let id = world.only_dead().await.id;
    let first = replayed_in(&world.pomost(&["dead", "replay", &id]).await);
    let second = world.pomost(&["dead", "replay", &id]).await;
    assert_eq!(second.code, 1, "{second:?}");
    assert_eq!(outcomes(&world.finish(first).await), [("created", 1)]);
    assert_eq!(world.shop.things().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_dies_again_is_a_letter_again() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.fail("POST", 2, || Reply::json(422, &json!({})));
    world.sync().await;
    let first = world.only_dead().await.id;
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("dead", 1)]
    );
    assert_ne!(world.only_dead().await.id, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_is_neither_listed_nor_replayed() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    world.sync().await;
    let id = world.only_dead().await.id;
    let discarded = world
        .pomost(&["dead", "discard", "--class", "invalid"])
        .await;
    assert_eq!(discarded.out, "1 dead letters discarded\n");
    assert!(world.dead().await.is_empty());
    assert_eq!(world.pomost(&["dead", "replay", &id]).await.code, 1);
    assert_eq!(world.pomost(&["dead", "show", &id]).await.code, 0);
}

/// Replays all letters on a broker that accepts so many messages, so that the replay ends as if it
/// were killed.
async fn replay_cut_short_after(world: &World, messages: usize) {
    let mut backends = world.backends().await;
    backends.broker = RefusingBroker::after(messages, backends.broker);
    let project = open::project(world.directory()).unwrap();
    let replayer = Replayer {
        backends: &backends,
        project: &project,
    };
    replayer
        .replay(&world.dead().await, &ReplayRequest::default())
        .await
        .unwrap_err();
}

/// A world with three letters, each of which is replayed in a message of its own.
async fn world_of_three_letters() -> (World, Rows) {
    let rows = ["a", "b", "c"].map(|key| json!({ "key": key }));
    let (world, rows) = World::with_rows(
        rows,
        Flow {
            rest: "batch_size: 1",
            ..Flow::default()
        },
    )
    .await;
    world.shop.intercept(|_| Some(Reply::json(422, &json!({}))));
    assert_eq!(outcomes(&world.sync().await), [("dead", 3)]);
    (world, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_was_cut_short_is_taken_up_by_the_next() {
    let (world, _) = world_of_three_letters().await;
    replay_cut_short_after(&world, 2).await;
    assert_eq!(world.dead().await.len(), 3, "nothing is lost");
    world.shop.mend();
    let id = &world.dead().await[0].id;
    let replayed = world.pomost(&["dead", "replay", id]).await;
    assert!(
        replayed
            .out
            .starts_with("things: 3 dead letters go to load in run "),
        "{replayed:?}"
    );
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 3)]
    );
    assert_eq!(world.shop.things().len(), 3);
    assert!(world.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_twice_by_a_replay_that_was_cut_short_dies_once() {
    let (world, rows) = world_of_three_letters().await;
    replay_cut_short_after(&world, 1).await;
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    let running = world.start().await;
    assert_eq!(
        outcomes(&running.ended(replayed_in(&replayed)).await),
        [("dead", 3)]
    );
    eventually(async || match world.shop.server.count_method("POST") {
        7 => Ok(()),
        posts => Err(format!("{posts} of 3, 3 again and 1 twice")),
    })
    .await;
    running.stop().await;
    // Its letter is archived after all those before it.
    rows.set([json!({ "key": "d" })]);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.dead().await.len(), 3 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_does_not_wait_for_a_replay_that_was_cut_short() {
    let (world, rows) = world_of_three_letters().await;
    replay_cut_short_after(&world, 0).await;
    world.shop.mend();
    rows.set([json!({ "key": "new" })]);
    let synced =
        tokio::time::timeout(Duration::from_secs(60), world.pomost(&["sync", "things"])).await;
    assert_eq!(synced.expect("it waits").code, 0);
}

/// Puts letters of messages that cannot be read into the store.
async fn unreadable_letters(world: &World, ids: impl Iterator<Item = String>) {
    let letter = |id| DeadLetter {
        id,
        flow: "things".into(),
        run: RunId::generate(),
        batch: "".into(),
        size: 0,
        stage: Stage::Load,
        reason: DeadLetterReason::Unreadable,
        error: "not a batch".into(),
        pointer: None,
        attempts: 1,
        traceparent: None,
        died_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        record: None,
        message: None,
        flow_version: None,
        latest_only: false,
    };
    let store = world.backends().await.store;
    store
        .archive_dead_letters(&ids.map(letter).collect::<Vec<_>>())
        .await
        .unwrap();
}

/// There are more of them than in one query, and all are older than the one that can be replayed.
#[tokio::test(flavor = "multi_thread")]
async fn letters_that_cannot_be_replayed_hold_back_no_others() {
    let world = world_of_two_letters().await;
    unreadable_letters(&world, (0..1001).map(|number| format!("u{number:023}"))).await;
    let replayed = world
        .pomost(&["dead", "replay", "--all", "--from", "load"])
        .await;
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert_eq!(replayed.out.lines().count(), 1, "{replayed:?}");
    let kept = |why: &str| {
        replayed
            .err
            .lines()
            .filter(|line| line.contains(why))
            .count()
    };
    assert_eq!(
        kept("stays as it is: it is a message that could not be read"),
        1001,
        "{replayed:?}"
    );
    assert_eq!(
        kept("stays as it is: it failed at transform; it has not come as far as load"),
        1
    );
    let run = replayed_in(&CommandOutput {
        code: 0,
        ..replayed
    });
    assert_eq!(outcomes(&world.finish(run).await), [("created", 1)]);
    let discarded = world
        .pomost(&["dead", "discard", "--class", "unreadable"])
        .await;
    assert_eq!(discarded.out, "1001 dead letters discarded\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_names_one_letter_or_nothing_is_done() {
    let (world, _) = World::with_rows([], Flow::default()).await;
    unreadable_letters(
        &world,
        ["abc1", "abc2", "abd1"].map(str::to_owned).into_iter(),
    )
    .await;
    for action in ["replay", "discard", "show"] {
        let empty = world.pomost(&["dead", action, ""]).await;
        assert_eq!(empty.code, 2, "{empty:?}");
    }
    for action in ["replay", "discard"] {
        let several = world.pomost(&["dead", action, "abd1", "abc"]).await;
        assert_eq!(several.code, 1, "{several:?}");
        assert!(
            several.err.contains("several dead letters begin with abc"),
            "{several:?}"
        );
    }
    assert_eq!(world.dead().await.len(), 3);
    let discarded = world
        .pomost(&["dead", "discard", "abd", "none", "abc2"])
        .await;
    assert_eq!(
        (discarded.code, discarded.out.as_str()),
        (1, "2 dead letters discarded\n")
    );
    assert!(
        discarded
            .err
            .contains("none stays as it is: no open dead letter has this id"),
        "{discarded:?}"
    );
    assert_eq!(world.only_dead().await.id, "abc1");
}
