//! Traces and logs of the command line, on the embedded backends.

use pomost_tests::{ReceivedSpan, TraceCollector};
use serde_json::{Value, json};

use crate::support::{Flow, Reply, World};

async fn world() -> World {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.intercept(|_| Some(Reply::json(422, &json!({}))));
    world
}

/// Runs a command whose traces go to a collector; returns its standard error.
async fn run(world: &World, collector: &TraceCollector, arguments: &[&str]) -> String {
    let mut command = world.command(arguments);
    let output = command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .output()
        .await
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}

fn one(spans: &[ReceivedSpan], name: &str) -> ReceivedSpan {
    let found: Vec<&ReceivedSpan> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_a_trace_of_its_own_that_links_to_those_in_which_its_letters_died() {
    let (world, collector) = (world().await, TraceCollector::start().await);
    run(&world, &collector, &["sync", "things"]).await;
    let died_in = world.only_dead().await.trace_id().unwrap().to_owned();
    run(&world, &collector, &["dead", "replay", "--all"]).await;
    run(&world, &collector, &["sync", "things"]).await;
    let spans = collector.spans();
    let replay = one(&spans, "replay things");
    assert_eq!(
        (replay.parent.as_str(), replay.links.as_slice()),
        ("", &[died_in.clone()][..])
    );
    assert_ne!(replay.trace, died_in);
    let its: Vec<ReceivedSpan> = spans
        .into_iter()
        .filter(|span| span.trace == replay.trace)
        .collect();
    let send = one(&its, "send load.things");
    assert_eq!(
        (&send.parent, send.attribute("messaging.system")),
        (&replay.id, "sqlite")
    );
    let process = one(&its, "process load.things");
    assert_eq!(
        (&process.parent, process.attribute("messaging.system")),
        (&send.id, "sqlite")
    );
}

/// The trace's id is logged at the level of warnings, also where traces go nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_carries_the_id_of_its_trace() {
    let world = world().await;
    let said = world.pomost(&["sync", "things"]).await.err;
    let line = said
        .lines()
        .find(|line| line.contains("requests failed"))
        .unwrap_or_else(|| panic!("{said}"));
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "WARN");
    let traces: Vec<&str> = line["spans"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|span| span["trace_id"].as_str())
        .collect();
    assert_eq!(traces, [world.only_dead().await.trace_id().unwrap()]);
}
