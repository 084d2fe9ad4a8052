//! Flows with a schedule.

use std::time::Duration;

use pomost_extractor::Scheduling;
use pomost_models::RunTrigger;
use pomost_store::RunState;
use pomost_tests::eventually;
use serde_json::json;

use crate::support::{Flow, World};

const EVERY: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_with_an_interval_runs_again_each_time_it_has_passed_and_not_before() {
    let flow = Flow {
        extract: "schedule: { every: 1s }",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "a"})], flow).await;
    let running = world.start_with(Scheduling::On, |broker| broker).await;
    let store = world.backends().await.store;
    let runs = eventually(async || {
        let runs = store.runs(Some("things"), 100).await.unwrap();
        let settled = runs
            .iter()
            .filter(|run| run.state == RunState::Settled)
            .count();
        if settled >= 3 {
            Ok(runs)
        } else {
            Err(format!("{settled} runs have settled"))
        }
    })
    .await;
    running.stop().await;
    assert!(runs.iter().all(|run| run.trigger == RunTrigger::Schedule));
    for two in runs.windows(2) {
        let passed = two[0].requested_at.duration_since(two[1].requested_at);
        assert!(passed.unsigned_abs() >= EVERY, "{passed:?}");
    }
    assert_eq!(world.shop.server.count_method("POST"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_runs_by_itself_as_soon_as_pomost_runs() {
    let flow = Flow {
        extract: "schedule: { every: 1d }",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "a"})], flow).await;
    let mut command = world.command(&["run", world.directory().to_str().unwrap()]);
    let mut process = command.spawn().unwrap();
    eventually(async || match world.shop.things().len() {
        0 => Err("nothing has crossed"),
        _ => Ok(()),
    })
    .await;
    process.kill().await.unwrap();
}
