//! The parts of split records, when their record changes or is deleted.

use std::time::Duration;

use pomost_broker::{Message, Queue};
use pomost_extractor::Scheduling;
use pomost_models::{
    Batch, Lane, Operation, Record, RunId, RunTrigger, Stage, Version, batch::BATCH_TYPE,
};
use pomost_store::{LeaseName, PageProgress, RunRequest, RunSummary};
use serde_json::{Value, json, value::RawValue};

use crate::support::{Flow, RefusingBroker, Reply, Rows, World, outcomes};

/// Splits a record into its parts; one that is alone is the whole record.
const SPLITS: &str = "map: '. as $row | .parts[] | { key: \"\\($row.key)-\\(.)\" }'";

const FLOW: Flow = Flow {
    request: "GET /rows",
    records: ".rows[]",
    extract: "version: .n\ndeleted: .gone == true",
    transform: SPLITS,
    load: "delete: { request: \"DELETE /things/{$id}\" }",
    create: "",
    writes: "",
    rest: "",
};

fn order(key: &str, n: u32, parts: &[&str]) -> Value {
    json!({ "key": key, "n": n, "parts": parts })
}

fn deleted(key: &str, n: u32) -> Value {
    json!({ "key": key, "n": n, "gone": true })
}

/// The words of the things that the shop has.
fn there(world: &World) -> Vec<String> {
    let name = |thing: &String| {
        let thing: Value = serde_json::from_str(thing).unwrap();
        thing["key"].as_str().unwrap().to_owned()
    };
    let mut there: Vec<_> = world.shop.things().iter().map(name).collect();
    there.sort();
    there
}

async fn changed_to(world: &World, rows: &Rows, row: Value) -> Vec<(&'static str, u64)> {
    rows.set([row]);
    let summary = world.sync().await;
    assert_all_counted(&summary);
    outcomes(&summary)
}

fn assert_all_counted(summary: &RunSummary) {
    let settled: u64 = summary.counts.outcomes.values().sum();
    assert_eq!(
        (summary.counts.records, summary.counts.waiting),
        (settled, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_deleted_record_are_deleted() {
    let (world, rows) = World::with_rows([order("a", 1, &["x", "y", "z"])], FLOW).await;
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 3), ("split", 1)]
    );
    assert_eq!(
        changed_to(&world, &rows, deleted("a", 2)).await,
        [("deleted", 3), ("unchanged", 1)]
    );
    assert!(there(&world).is_empty());
    assert_eq!(
        changed_to(&world, &rows, deleted("a", 3)).await,
        [("unchanged", 1)]
    );
    assert_eq!(
        changed_to(&world, &rows, order("a", 4, &["x", "y"])).await,
        [("created", 2), ("split", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_went_away_are_deleted_however_many_are_left() {
    let (world, rows) = World::with_rows([order("a", 1, &["w", "x", "y", "z"])], FLOW).await;
    world.sync().await;
    assert_eq!(
        changed_to(&world, &rows, order("a", 2, &["w", "x"])).await,
        [("deleted", 2), ("unchanged", 2), ("split", 1)]
    );
    assert_eq!(there(&world), ["a-w", "a-x"]);
    assert_eq!(
        changed_to(&world, &rows, order("a", 3, &["w"])).await,
        [("created", 1), ("deleted", 2)]
    );
    assert_eq!(there(&world), ["a-w"]);
    assert_eq!(
        changed_to(&world, &rows, order("a", 4, &["w", "x", "y"])).await,
        [("created", 3), ("deleted", 1), ("split", 1)]
    );
    assert_eq!(there(&world), ["a-w", "a-x", "a-y"]);
    assert_eq!(
        changed_to(&world, &rows, order("a", 5, &[])).await,
        [("deleted", 3), ("filtered", 1)]
    );
    assert!(there(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_loaded_whole_is_deleted_when_it_is_split_and_stays_when_it_is_filtered()
{
    let whole = Flow {
        transform: "map: '{ key }'",
        ..FLOW
    };
    let (world, rows) = World::with_rows([order("a", 1, &["x", "y"])], whole).await;
    world.sync().await;
    world.set_flow(FLOW);
    assert_eq!(
        changed_to(&world, &rows, order("a", 2, &["x", "y"])).await,
        [("created", 2), ("deleted", 1), ("split", 1)]
    );
    changed_to(&world, &rows, order("a", 3, &["x"])).await;
    assert_eq!(
        changed_to(&world, &rows, order("a", 4, &[])).await,
        [("filtered", 1)]
    );
    assert_eq!(there(&world), ["a-x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_deleted_though_the_mapping_splits_no_record_any_more() {
    let (world, rows) = World::with_rows([order("a", 1, &["x", "y"])], FLOW).await;
    world.sync().await;
    world.set_flow(Flow {
        transform: "map: '{ key }'",
        ..FLOW
    });
    assert_eq!(
        changed_to(&world, &rows, order("a", 2, &["x", "y"])).await,
        [("created", 1), ("deleted", 2)]
    );
    assert_eq!(there(&world), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_key_looks_like_that_of_a_part_is_none() {
    let rows = [
        order("a", 1, &["x", "y"]),
        order("a/7", 1, &["x"]),
        order("b/0", 1, &["x"]),
        order("b", 1, &[]),
    ];
    let (world, rows) = World::with_rows(rows, FLOW).await;
    world.sync().await;
    rows.set([deleted("a", 2), deleted("b", 2)]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("deleted", 2), ("unchanged", 2)]
    );
    assert_eq!(there(&world), ["a/7-x", "b/0-x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_flow_deletes_nothing_the_parts_stay_and_their_deletions_are_filtered() {
    let keeps = Flow {
        extract: "version: .n",
        load: "",
        ..FLOW
    };
    let (world, rows) = World::with_rows([order("a", 1, &["x", "y", "z"])], keeps).await;
    world.sync().await;
    assert_eq!(
        changed_to(&world, &rows, order("a", 2, &["x", "y"])).await,
        [("unchanged", 2), ("filtered", 1), ("split", 1)]
    );
    assert_eq!(there(&world), ["a-x", "a-y", "a-z"]);
    world.set_flow(FLOW);
    assert_eq!(
        changed_to(&world, &rows, deleted("a", 3)).await,
        [("deleted", 3), ("unchanged", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_whose_deletion_died_are_deleted_by_the_next_change() {
    let (world, rows) = World::with_rows([order("a", 1, &["x", "y", "z"])], FLOW).await;
    world.sync().await;
    world
        .shop
        .fail("DELETE", 1, || Reply::json(422, &json!({})));
    assert_eq!(
        changed_to(&world, &rows, order("a", 2, &["x", "y"])).await,
        [("unchanged", 2), ("split", 1), ("dead", 1)]
    );
    world.shop.mend();
    assert_eq!(
        changed_to(&world, &rows, order("a", 3, &["x", "y"])).await,
        [("deleted", 1), ("unchanged", 2), ("split", 1)]
    );
    assert_eq!(there(&world), ["a-x", "a-y"]);
}

/// A message of one change of the record `a`, as a batch of its own.
fn message(run: RunId, id: &str, op: Operation, row: &Value) -> Message {
    let record = Record {
        slot: 0,
        key: "a".to_owned(),
        version: Version::new(row["n"].to_string()),
        op,
        data: RawValue::from_string(row.to_string()).unwrap(),
        source: None,
    };
    let batch = Batch {
        flow: "things".to_owned(),
        run,
        id: id.into(),
        size: 1,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records: vec![record],
    };
    Message {
        id: id.into(),
        kind: BATCH_TYPE.to_owned(),
        body: batch.encode().into(),
        traceparent: None,
    }
}

/// Has the changes transformed in this order, each in a batch of its own, and all of what comes of
/// them loaded.
async fn transformed(
    world: &World,
    changes: &[(&str, Operation, &Value)],
) -> Vec<(&'static str, u64)> {
    let store = world.backends().await.store;
    let request = RunRequest {
        flow: "things".to_owned(),
        trigger: RunTrigger::Manual,
        since: None,
    };
    let run = store.request_run(&request).await.unwrap();
    let lease = store
        .acquire_lease(
            LeaseName::Flow("things".to_owned()),
            "test",
            Duration::from_secs(60),
        )
        .await;
    let lease = lease.unwrap().unwrap();
    let mut batches: Vec<_> = changes
        .iter()
        .map(|(id, ..)| ((*id).to_owned(), 1))
        .collect();
    batches.dedup();
    let page = PageProgress {
        run,
        batches,
        checkpoint: Value::Null,
        listed_keys: Vec::new(),
        deleted_keys: Vec::new(),
    };
    store.record_page(&lease, &page).await.unwrap();
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    store.release_lease(&lease).await.unwrap();
    for (id, op, row) in changes {
        let queue = Queue::work(Stage::Transform, "things");
        world.publish(queue, vec![message(run, id, *op, row)]).await;
    }
    let summary = world.finish(run).await;
    assert_all_counted(&summary);
    outcomes(&summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_change_that_comes_late_brings_no_part_back() {
    let (world, rows) = World::with_rows([order("a", 3, &["x", "y"])], FLOW).await;
    world.sync().await;
    let older = order("a", 2, &["v", "w", "x", "y"]);
    assert_eq!(
        transformed(&world, &[("0", Operation::Upsert, &older)]).await,
        [("split", 1), ("stale", 4)]
    );
    assert_eq!(there(&world), ["a-x", "a-y"]);
    changed_to(&world, &rows, deleted("a", 5)).await;
    let older = order("a", 4, &["x"]);
    assert_eq!(
        transformed(&world, &[("0", Operation::Upsert, &older)]).await,
        [("stale", 1)]
    );
    assert!(there(&world).is_empty(), "{:?}", there(&world));
}

/// The deletion is transformed while the parts of the change before it are still to be loaded.
#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_not_loaded_yet_when_their_record_is_deleted_are_deleted() {
    let (world, _) = World::with_rows([], FLOW).await;
    let (split, gone) = (order("a", 1, &["x", "y", "z"]), deleted("a", 2));
    transformed(
        &world,
        &[
            ("0", Operation::Upsert, &split),
            ("1", Operation::Delete, &gone),
        ],
    )
    .await;
    assert!(there(&world).is_empty(), "{:?}", there(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_delivered_twice_counts_once() {
    let (world, _) = World::with_rows([order("a", 1, &["x", "y", "z"])], FLOW).await;
    world.sync().await;
    let (gone, fewer) = (deleted("a", 3), order("a", 2, &["x", "y"]));
    let deletion = ("0", Operation::Delete, &gone);
    let outcomes = transformed(
        &world,
        &[deletion, deletion, ("1", Operation::Upsert, &fewer)],
    )
    .await;
    assert!(there(&world).is_empty(), "{:?}", there(&world));
    let of = |word| outcomes.iter().find(|(outcome, _)| *outcome == word);
    assert_eq!(of("deleted"), Some(&("deleted", 3)), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_could_not_be_published_are_made_when_their_change_comes_again() {
    let (world, rows) = World::with_rows([order("a", 1, &["w", "x", "y", "z"])], FLOW).await;
    world.sync().await;
    rows.set([order("a", 2, &["w", "x"])]);
    let running = world
        .start_with(Scheduling::Off, |broker| {
            RefusingBroker::to_delay(0, broker)
        })
        .await;
    let run = running.request(None).await;
    let summary = running.ended(run).await;
    running.stop().await;
    assert_eq!(
        outcomes(&summary),
        [("deleted", 2), ("unchanged", 2), ("split", 1)]
    );
    assert_eq!(there(&world), ["a-w", "a-x"]);
}

/// The transformer is killed when the deletions are published, and its batch is not acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_a_killed_transformer_published_count_once() {
    let (world, rows) = World::with_rows([order("a", 1, &["w", "x", "y", "z"])], FLOW).await;
    world.sync().await;
    rows.set([
        order("a", 2, &["w", "x"]),
        json!({ "key": "b", "n": 1, "parts": 5 }),
    ]);
    let run = world.killed_before_its_dead_letters().await;
    let summary = world.finish(run).await;
    assert_all_counted(&summary);
    assert_eq!(
        outcomes(&summary),
        [("deleted", 2), ("unchanged", 2), ("split", 1), ("dead", 1)]
    );
    assert_eq!(there(&world), ["a-w", "a-x"]);
}
