//! Files as the destination.

use std::fs;

use pomost_extractor::Scheduling;
use pomost_models::{DeadLetterReason, Stage};
use serde_json::{Value, json};

use crate::support::{Flow, RefusingBroker, Rows, World, outcomes};

async fn world<const N: usize>(rows: [Value; N], format: &str) -> (World, Rows) {
    let (world, rows) = World::with_rows(rows, Flow::default()).await;
    let flow = format!(
        "flow: things\nextract: {{ system: source, request: GET /rows, records: '.rows[]', key: .key, deleted: .gone }}\n\
         load:\n  files: {{ directory: reports/things, format: {format} }}\n"
    );
    world.write("flows/things.yaml", &flow);
    (world, rows)
}

/// The texts of the files, in the order of their runs.
fn contents(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.directory().join("reports/things")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_leaves_a_file_with_what_has_changed() {
    let (world, rows) = world(
        [
            json!({"key": "a", "n": 1, "name": "Łódź"}),
            json!({"key": "b", "n": 2}),
        ],
        "csv",
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    let first = "key,n,name\r\na,1,Łódź\r\nb,2,\r\n";
    assert_eq!(contents(&world), [first]);
    rows.set([json!({"key": "a", "n": 3}), json!({"key": "b", "n": 2})]);
    assert_eq!(
        outcomes(&world.sync().await),
        [("updated", 1), ("unchanged", 1)]
    );
    assert_eq!(contents(&world), [first, "key,n\r\na,3\r\n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_keep_every_digit_and_what_is_deleted_is_left_out() {
    let (world, rows) = world([], "jsonl").await;
    rows.set_json([
        r#"{"key":"a","n":1.10,"l":[{}]}"#.into(),
        r#"{"key":"b","n":9007199254740993}"#.into(),
    ]);
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    rows.set([json!({"key": "a", "gone": true})]);
    assert_eq!(outcomes(&world.sync().await), [("filtered", 1)]);
    assert_eq!(
        contents(&world),
        ["{\"key\":\"a\",\"n\":1.10,\"l\":[{}]}\n{\"key\":\"b\",\"n\":9007199254740993}\n"]
    );
}

/// The batch is repeated, since its dead letter cannot be published.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_again_after_it_was_settled_is_not_written_again() {
    let rows = [
        json!({"key": "a", "n": 1}),
        json!({"key": "b", "n": []}),
        json!({"key": "c", "n": 3}),
    ];
    let (world, _) = world(rows, "csv").await;
    let run = world.killed_before_its_dead_letters().await;
    assert_eq!(
        outcomes(&world.finish(run).await),
        [("created", 2), ("dead", 1)]
    );
    assert_eq!(contents(&world), ["key,n\r\na,1\r\nc,3\r\n"]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.stage, letter.reason),
        (Stage::Load, DeadLetterReason::Invalid)
    );
    assert_eq!(
        letter.error,
        "the record cannot be written as CSV: the column 'n' holds a list"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_made_is_waited_for() {
    let (world, _) = world([json!({"key": "a", "n": 1})], "csv").await;
    world.write("reports", "not a directory");
    let mut broker = None;
    let running = world
        .start_with(Scheduling::Off, |embedded| {
            broker.insert(RefusingBroker::to_delay(0, embedded)).clone()
        })
        .await;
    let run = running.request(None).await;
    // First comes the transformer, whose first message to the loader is refused.
    pomost_tests::eventually(async || {
        match broker.as_ref().map_or(0, |broker| broker.delays().len()) {
            delayed @ (0 | 1) => Err(format!("{delayed} messages were delayed")),
            _ => Ok(()),
        }
    })
    .await;
    fs::remove_file(world.directory().join("reports")).unwrap();
    assert_eq!(outcomes(&running.ended(run).await), [("created", 1)]);
    running.stop().await;
    assert_eq!(contents(&world), ["key,n\r\na,1\r\n"]);
}
