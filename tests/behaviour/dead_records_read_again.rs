//! Dead records that are read again.

use jiff::Timestamp;
use pomost_models::Stage;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    order::{EVERY, change, refuse, run_with_blocked_records, sent},
    support::{Flow, Reply, Rows, World, outcomes, replayed_in, wait_for_method},
};

/// Records of which the shop refuses the bad ones.
async fn world(transform: &'static str) -> (World, Rows) {
    let flow = Flow {
        transform,
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([json!({"key": "good"}), bad(1)], flow).await;
    refuse_bad_ones(&world);
    (world, rows)
}

fn refuse_bad_ones(world: &World) {
    world.shop.intercept(|request| {
        request
            .body
            .contains("bad")
            .then(|| Reply::json(422, &json!({})))
    });
}

fn bad(n: u32) -> Value {
    json!({ "key": "bad", "n": n })
}

/// Number of requests with a bad record.
fn count_bad_requests(world: &World) -> usize {
    world
        .shop
        .server
        .requests()
        .iter()
        .filter(|request| request.body.contains("bad"))
        .count()
}

const AGAIN: [(&str, u64); 2] = [("unchanged", 1), ("dead", 1)];

/// The second sync fails like the first one and says where to look.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_record_that_is_read_again_unchanged_is_counted_and_not_sent() {
    let (world, _) = world("").await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    let (letter, since) = (world.only_dead().await, Timestamp::now());
    assert_eq!(outcomes(&world.sync().await), AGAIN);
    let synced = world.pomost(&["sync", "things"]).await;
    assert_eq!(
        (synced.code, &*synced.out),
        (1, "things settled: 1 unchanged, 1 dead\n")
    );
    assert!(
        synced.err.contains("see `pomost dead list --flow things`"),
        "{synced:?}"
    );
    assert_eq!(
        (count_bad_requests(&world), world.only_dead().await.id),
        (1, letter.id)
    );
    assert!(
        world
            .backends()
            .await
            .store
            .count_dead_letters(since)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_record_that_changed_is_tried_again_and_its_new_letter_replaces_the_old_one() {
    let (world, rows) = world("").await;
    let first = world.sync().await;
    let letter = world.only_dead().await;
    rows.set([json!({"key": "good"}), bad(2)]);
    assert_eq!(outcomes(&world.sync().await), AGAIN);
    assert_eq!(outcomes(&world.sync().await), AGAIN);
    assert_ne!(world.only_dead().await.id, letter.id);
    assert_eq!(count_bad_requests(&world), 2);
    assert_eq!(
        outcomes(&world.finish(first.id).await),
        [("created", 1), ("dead", 1)]
    );
    world.shop.mend();
    rows.set([json!({"key": "good"}), bad(3)]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 1)]
    );
    assert!(world.dead().await.is_empty());
}

/// The files of a flow are its own, those of its systems, and its schemas.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_record_is_tried_again_when_a_file_of_its_flow_changes() {
    let (world, _) = world("produce: schemas/any.json").await;
    world.write("schemas/any.json", "{}");
    world.sync().await;
    let changes: [&dyn Fn(); 3] = [
        &|| world.write("schemas/any.json", r#"{ "type": "object" }"#),
        &|| {
            world.write(
                "systems/shop.yaml",
                &format!("{}timeout: 29s\n", world.system("shop")),
            )
        },
        &|| {
            world.write(
                "flows/things.yaml",
                &format!("{}\nbatch_size: 7\n", world.flow_text()),
            )
        },
    ];
    for (times, change) in (2..).zip(changes) {
        change();
        for _ in 0..2 {
            assert_eq!(outcomes(&world.sync().await), AGAIN);
            world.only_dead().await;
        }
        assert_eq!(count_bad_requests(&world), times);
    }
    world.write(
        "systems/other.yaml",
        "system: other\nbase_url: https://example.com\n",
    );
    world.sync().await;
    assert_eq!(count_bad_requests(&world), 4);
}

/// The record waits while its flow is mended. It is sent as it was mapped before.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_dies_as_older_files_mapped_it_is_tried_as_the_mended_ones_map_it() {
    let flow = |transform| Flow {
        transform,
        ..Flow::default()
    };
    let (world, _) =
        World::with_rows([json!({"key": "a"})], flow("map: '. + { old: true }'")).await;
    let (open, gate) = watch::channel(false);
    world.shop.fail("POST", 1, move || {
        Reply::json(500, &json!({})).behind(gate.clone())
    });
    let running = world.start().await;
    let first = running.request(None).await;
    wait_for_method(&world.shop.server, "POST", 1).await;
    // The failure comes when nothing new is begun any more.
    running.begin_to_stop();
    open.send(true).unwrap();
    running.stop().await;
    world.set_flow(flow("map: ."));
    world.shop.intercept(|request| {
        request
            .body
            .contains("old")
            .then(|| Reply::json(422, &json!({})))
    });
    assert_eq!(outcomes(&world.finish(first).await), [("dead", 1)]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a"}"#]);
    assert!(world.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_mapped_has_one_letter_however_often_it_is_read() {
    let mapping = "map: 'if .key == \"bad\" then error(\"no\") else . end'";
    let (world, _) = world(mapping).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(letter.stage, Stage::Transform);
    assert_eq!(outcomes(&world.sync().await), AGAIN);
    assert_eq!(world.only_dead().await.id, letter.id);
    world.shop.mend();
    world.set_flow(Flow {
        transform: "map: .",
        ..Flow::default()
    });
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 1)]
    );
    assert!(world.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_have_one_letter_for_each_content() {
    let rows = [json!({"n": 1}), json!({"n": 2}), json!({"n": 1})];
    let (world, _) = World::with_rows(rows, Flow::default()).await;
    for _ in 0..2 {
        assert_eq!(outcomes(&world.sync().await), [("dead", 3)]);
        assert_eq!(world.dead().await.len(), 2);
    }
}

/// The other parts of its row are sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_record_that_died_is_not_sent_again() {
    let (world, _) =
        world("map: 'if .key == \"bad\" then (., { key: \"part\" }) else . end'").await;
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 2), ("split", 1), ("dead", 1)]
    );
    assert_eq!(
        outcomes(&world.sync().await),
        [("unchanged", 2), ("split", 1), ("dead", 1)]
    );
    assert_eq!(
        (count_bad_requests(&world), world.dead().await.len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_letter_was_discarded_stays_dead_until_it_changes() {
    let (world, rows) = world("").await;
    world.sync().await;
    world.pomost(&["dead", "discard", "--all"]).await;
    world.shop.mend();
    let synced = world.pomost(&["sync", "things"]).await;
    assert_eq!(
        (synced.code, &*synced.out),
        (1, "things settled: 1 unchanged, 1 dead\n")
    );
    assert!(
        synced.err.starts_with(
            "the dead letters were closed meanwhile: discarded, replayed, or outdated by a newer version; "
        ),
        "{synced:?}"
    );
    assert_eq!(
        (count_bad_requests(&world), world.dead().await.len()),
        (1, 0)
    );
    rows.set([json!({"key": "good"}), bad(2)]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_record_is_sent_whatever_died_before_and_has_one_letter_if_it_dies_again() {
    let (world, _) = world("").await;
    world.sync().await;
    let letter = world.only_dead().await;
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("dead", 1)]
    );
    assert_eq!(outcomes(&world.sync().await), AGAIN);
    assert_ne!(world.only_dead().await.id, letter.id);
    assert_eq!(count_bad_requests(&world), 2);
    world.shop.mend();
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 2)]);
}

/// Later changes of its key stay parked behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_change_that_is_read_again_neither_waits_for_itself_nor_lets_later_ones_go() {
    let (world, _) = World::with_rows([change("a", 1), change("a", 2)], EVERY).await;
    refuse(&world, "a", 1);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (run, waiting, settled) = run_with_blocked_records(&world, None).await;
        assert_eq!((waiting, settled), (1, vec![("dead", 1)]));
        world.only_dead().await;
        runs.push(run);
    }
    assert_eq!(sent(&world, "a"), [1]);
    world.shop.mend();
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    for run in runs {
        world.finish(run).await;
    }
    assert_eq!(
        outcomes(&world.sync().await),
        [("unchanged", 1), ("stale", 1)]
    );
    assert_eq!(sent(&world, "a"), [1, 1, 2]);
}
