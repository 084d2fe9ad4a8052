//! The order of the changes of one key.

use pomost_models::{DeadLetterReason, RunId, Stage};
use pomost_operations::runs::RunReport;
use pomost_tests::eventually;
use serde_json::{Value, json};

use crate::support::{Flow, ReceivedRequest, Reply, World, outcomes, replayed_in, wait_for_method};

pub(crate) const LATEST: Flow = Flow {
    request: "GET /rows",
    records: ".rows[]",
    extract: "version: .n",
    transform: "",
    load: "",
    create: "",
    writes: "",
    rest: "",
};

pub(crate) const EVERY: Flow = Flow {
    load: "order: every",
    ..LATEST
};

pub(crate) fn change(key: &str, n: u32) -> Value {
    json!({ "key": key, "n": n })
}

/// Makes the shop refuse one change of a key.
pub(crate) fn refuse(world: &World, key: &'static str, n: u32) {
    let refused = change(key, n).to_string();
    world
        .shop
        .intercept(move |request| (request.body == refused).then(|| Reply::json(422, &json!({}))));
}

/// The numbers of the changes of a key that were sent to the shop, in this order.
pub(crate) fn sent(world: &World, key: &str) -> Vec<u64> {
    let number = |request: ReceivedRequest| {
        let body: Value = serde_json::from_str(&request.body).ok()?;
        body["n"].as_u64().filter(|_| body["key"] == key)
    };
    world
        .shop
        .server
        .requests()
        .into_iter()
        .filter_map(number)
        .collect()
}

/// The outcomes of a second run, which is requested when the source has changed while the only
/// record of the first run waits for a delay that the shop asked for. When that delay ends, the
/// record is stale.
pub(crate) async fn run_while_the_first_waits(
    world: &World,
    change: impl FnOnce(),
) -> Vec<(&'static str, u64)> {
    let too_early = || Reply::json(425, &json!({})).with("retry-after", 600);
    world.shop.fail("POST", 1, too_early);
    let running = world.start().await;
    let first = running.request(None).await;
    wait_for_method(&world.shop.server, "POST", 1).await;
    change();
    let second = running.request(None).await;
    let later = outcomes(&running.ended(second).await);
    running.stop().await;
    world.end_delays();
    assert_eq!(outcomes(&world.finish(first).await), [("stale", 1)]);
    later
}

/// Waits until all records of a run have settled or wait for dead letters of their keys; returns
/// the run, the number of those that wait, and the outcomes of the others.
pub(crate) async fn run_with_blocked_records(
    world: &World,
    run: Option<RunId>,
) -> (RunId, u64, Vec<(&'static str, u64)>) {
    let running = world.start().await;
    let run = match run {
        Some(run) => run,
        None => running.request(None).await,
    };
    let store = world.backends().await.store;
    let summary = eventually(async || {
        let summary = store.run(run).await.unwrap().unwrap();
        if RunReport::from(summary.clone()).has_ended() {
            Ok(summary)
        } else {
            Err(format!("{:?}", summary.counts))
        }
    })
    .await;
    running.stop().await;
    let outcomes = summary
        .counts
        .outcomes
        .iter()
        .map(|(outcome, count)| (outcome.as_str(), *count));
    (run, summary.blocked_by_dead_letters, outcomes.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_that_is_applied_makes_a_dead_older_one_stale() {
    let (world, rows) = World::with_rows([change("a", 1), change("b", 1)], LATEST).await;
    refuse(&world, "a", 1);
    let first = world.sync().await;
    assert_eq!(outcomes(&first), [("created", 1), ("dead", 1)]);
    rows.set([change("a", 2)]);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert!(world.dead().await.is_empty());
    assert_eq!(
        outcomes(&world.finish(first.id).await),
        [("created", 1), ("stale", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_that_is_applied_makes_a_waiting_older_one_stale() {
    let (world, rows) = World::with_rows([change("a", 1)], LATEST).await;
    let later = run_while_the_first_waits(&world, || rows.set([change("a", 2)])).await;
    assert_eq!(later, [("created", 1)]);
    assert_eq!(sent(&world, "a"), [1, 2]);
}

/// Both are in one batch.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_is_applied_where_the_newer_one_beside_it_is_refused() {
    let (world, _) = World::with_rows([change("a", 1), change("a", 2)], LATEST).await;
    refuse(&world, "a", 2);
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    assert_eq!(sent(&world, "a"), [2, 1]);
    assert_eq!(world.shop.things(), [change("a", 1).to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_waits_with_the_newer_one_beside_it_until_that_is_applied() {
    let (world, _) = World::with_rows([change("a", 2), change("a", 1)], LATEST).await;
    world.shop.fail("POST", 2, || Reply::json(500, &json!({})));
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("stale", 1)]
    );
    assert_eq!(sent(&world, "a"), [2, 2, 2]);
}

/// The source lists them in any order, and several of a key at once.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_key_is_applied_in_the_order_of_the_versions() {
    let rows = [
        change("a", 3),
        change("a", 10),
        change("b", 2),
        change("a", 9),
        change("b", 1),
    ];
    let (world, _) = World::with_rows(rows, EVERY).await;
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 2), ("updated", 3)]
    );
    assert_eq!(sent(&world, "a"), [3, 9, 10]);
    assert_eq!(sent(&world, "b"), [1, 2]);
}

/// Each record has a batch of its own, so that several are under way at once.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_applied_in_order_across_batches_and_failures() {
    let flow = Flow {
        rest: "batch_size: 1",
        ..EVERY
    };
    let rows: [Value; 24] = std::array::from_fn(|n| change(["a", "b", "c"][n % 3], n as u32 / 3));
    let (world, _) = World::with_rows(rows, flow).await;
    world.shop.fail("POST", 2, || Reply::json(500, &json!({})));
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 3), ("updated", 21)]
    );
    for key in ["a", "b", "c"] {
        let mut sent = sent(&world, key);
        sent.dedup();
        assert_eq!(sent, Vec::from_iter(0..8), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_behind_a_dead_one_go_on_in_order_after_its_replay() {
    let rows = [
        change("a", 1),
        change("a", 2),
        change("a", 3),
        change("b", 1),
        change("b", 2),
    ];
    let (world, all) = World::with_rows(rows, EVERY).await;
    refuse(&world, "a", 1);
    let (run, waiting, outcomes_) = run_with_blocked_records(&world, None).await;
    assert_eq!(
        (waiting, outcomes_),
        (2, vec![("created", 1), ("updated", 1), ("dead", 1)])
    );
    all.set([change("a", 4)]);
    let (later, waiting, _) = run_with_blocked_records(&world, None).await;
    assert_eq!(waiting, 1);
    world.shop.mend();
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(outcomes(&world.finish(later).await), [("updated", 1)]);
    let settled = world.finish(run).await;
    assert_eq!(
        outcomes(&settled),
        [("created", 1), ("updated", 3), ("dead", 1)]
    );
    assert_eq!(sent(&world, "a"), [1, 1, 2, 3, 4]);
    assert!(world.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_behind_a_dead_one_go_on_when_it_is_discarded() {
    let (world, _) = World::with_rows([change("a", 1), change("a", 2)], EVERY).await;
    refuse(&world, "a", 1);
    let printed = world.pomost(&["sync", "things"]).await;
    assert_eq!(
        (printed.code, printed.out.as_str()),
        (
            1,
            "things settling: 1 dead, 1 waiting (1 for dead letters)\n"
        )
    );
    assert!(
        printed
            .err
            .contains("1 of the records wait for dead letters of their keys"),
        "{printed:?}"
    );
    let letter = world.only_dead().await;
    let discarded = world.pomost(&["dead", "discard", &letter.id]).await;
    assert_eq!(discarded.code, 0, "{discarded:?}");
    assert_eq!(
        outcomes(&world.finish(letter.run).await),
        [("created", 1), ("dead", 1)]
    );
    assert_eq!(sent(&world, "a"), [1, 2]);
}

/// A change that is filtered holds up nothing; one that cannot be mapped does.
#[tokio::test(flavor = "multi_thread")]
async fn changes_wait_for_what_cannot_be_mapped_and_not_for_what_is_left_out() {
    let transform = "map: 'if .key == \"a\" and .n == 1 then error(\"no\") else select(.n > 1 or .key == \"a\") end'";
    let rows = [
        change("a", 1),
        change("a", 2),
        change("b", 1),
        change("b", 2),
    ];
    let (world, _) = World::with_rows(rows, Flow { transform, ..EVERY }).await;
    let (run, waiting, found) = run_with_blocked_records(&world, None).await;
    assert_eq!(
        (waiting, found),
        (1, vec![("created", 1), ("filtered", 1), ("dead", 1)])
    );
    world.set_flow(EVERY);
    let replayed = world.pomost(&["dead", "replay", "--all"]).await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    world.finish(run).await;
    assert_eq!(sent(&world, "a"), [1, 2]);
}

/// A change that is now read under another key is never settled under the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_reads_another_key_frees_those_that_waited_for_the_old_one() {
    let rows = [
        json!({"key": "a", "n": 1, "other": "z"}),
        json!({"key": "a", "n": 2, "other": "a"}),
    ];
    let (world, _) = World::with_rows(rows, EVERY).await;
    world.shop.intercept(|request| {
        request
            .body
            .contains("\"n\":1")
            .then(|| Reply::json(422, &json!({})))
    });
    let (run, waiting, _) = run_with_blocked_records(&world, None).await;
    assert_eq!(waiting, 1);
    world.shop.mend();
    world.write(
        "flows/things.yaml",
        &world.flow_text().replace("key: .key", "key: .other"),
    );
    let replayed = world
        .pomost(&["dead", "replay", "--all", "--from", "extract"])
        .await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("created", 1)]
    );
    assert_eq!(
        outcomes(&world.finish(run).await),
        [("created", 1), ("dead", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_applies_every_change_splits_no_record() {
    let flow = Flow {
        transform: "map: '., .'",
        ..EVERY
    };
    let (world, _) = World::with_rows([change("a", 1)], flow).await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.stage, letter.reason),
        (Stage::Transform, DeadLetterReason::Invalid)
    );
    assert!(
        letter.error.contains("splits the record"),
        "{}",
        letter.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_applies_the_latest_again_takes_up_what_waited() {
    let (world, _) = World::with_rows([change("a", 1), change("a", 2)], EVERY).await;
    refuse(&world, "a", 1);
    let (run, waiting, _) = run_with_blocked_records(&world, None).await;
    assert_eq!(waiting, 1);
    world.set_flow(LATEST);
    world.finish(run).await;
    assert_eq!(
        outcomes(&world.finish(run).await),
        [("created", 1), ("stale", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_another_type_than_before_are_refused_unless_the_flow_says_what_they_are() {
    let version = |n: Value| json!({ "key": "a", "n": n });
    let (world, rows) = World::with_rows([version(json!(1))], LATEST).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    rows.set([version(json!("rev-2"))]);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert!(
        world
            .only_dead()
            .await
            .error
            .contains("extract.version_type")
    );
    world.set_flow(Flow {
        extract: "version: .n\nversion_type: text",
        ..LATEST
    });
    let replayed = world
        .pomost(&["dead", "replay", "--all", "--from", "extract"])
        .await;
    assert_eq!(
        outcomes(&world.finish(replayed_in(&replayed)).await),
        [("updated", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_compare_as_what_the_flow_says_they_are() {
    let flow = Flow {
        extract: "version: .n\nversion_type: text",
        ..LATEST
    };
    let (world, rows) = World::with_rows([change("a", 9)], flow).await;
    world.sync().await;
    rows.set([change("a", 10)]);
    assert_eq!(outcomes(&world.sync().await), [("stale", 1)]);
    rows.set([json!({ "key": "a", "n": "soon" })]);
    world.set_flow(Flow {
        extract: "version: .n\nversion_type: number",
        ..LATEST
    });
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(
        world.only_dead().await.error,
        "extract.version found something else than a number"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_may_be_numbers_with_exponents() {
    let version = |n: &str| [format!(r#"{{"key":"a","n":{n}}}"#)];
    for extract in [LATEST.extract, "version: .n\nversion_type: number"] {
        let (world, rows) = World::with_rows([], Flow { extract, ..LATEST }).await;
        for (n, outcome) in [
            ("9.99E8", "created"),
            ("1.0E9", "updated"),
            ("999999999", "stale"),
            ("1000000001", "updated"),
        ] {
            rows.set_json(version(n));
            assert_eq!(outcomes(&world.sync().await), [(outcome, 1)], "{n}");
        }
    }
}
