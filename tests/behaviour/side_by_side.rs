//! Commands that work on one project at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};

use pomost_tests::{Service, eventually};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::{FakeServer, Flow, Reply, World, row};

/// A command on the project of a world.
struct RunningCommand {
    service: Service,
    _logs: TempDir,
}

impl RunningCommand {
    fn start(world: &World, arguments: &'static [&'static str]) -> RunningCommand {
        let logs = tempfile::tempdir().unwrap();
        let environment = vec![
            (
                "POMOST_PROJECT".to_owned(),
                world.directory().to_str().unwrap().to_owned(),
            ),
            ("POMOST_HTTP_ADDR".to_owned(), "127.0.0.1:0".to_owned()),
        ];
        let mut service =
            Service::new("pomost", environment, logs.path().to_owned()).with_arguments(arguments);
        service.start();
        RunningCommand {
            service,
            _logs: logs,
        }
    }

    fn sync(world: &World) -> RunningCommand {
        RunningCommand::start(world, &["sync", "things"])
    }

    /// Waits until it has succeeded; returns its log.
    async fn ended(mut self) -> String {
        let ended = self.service.ended().await;
        let said = self.service.log();
        assert!(ended.status.success(), "{ended:?}: {said}");
        said
    }
}

/// A source of two rows. So many of its replies come at once, and the others when the gate is open.
async fn source(at_once: usize, gate: watch::Receiver<bool>) -> FakeServer {
    let asked = AtomicUsize::new(0);
    FakeServer::start(move |_| {
        let rows = Reply::rows([row(1), row(2)]);
        if asked.fetch_add(1, Ordering::Relaxed) < at_once {
            rows
        } else {
            rows.behind(gate.clone())
        }
    })
    .await
}

async fn requested(world: &World, runs: usize) {
    let store = world.backends().await.store;
    eventually(
        async || match store.runs(Some("things"), 10).await.unwrap().len() {
            requested if requested == runs => Ok(()),
            requested => Err(format!("{requested} of {runs} runs were requested")),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_syncs_side_by_side_one_that_waits_goes_on_when_the_one_it_waits_for_ends() {
    let ((answer, answers), (take, takes)) = (watch::channel(false), watch::channel(false));
    let world = World::new(source(1, answers).await, Flow::default()).await;
    world
        .shop
        .intercept(move |_| Some(Reply::json(201, &json!({ "id": "1" })).behind(takes.clone())));
    let first = RunningCommand::sync(&world);
    eventually(async || {
        if world.shop.server.count_method("POST") == 2 {
            Ok(())
        } else {
            Err("not sent yet")
        }
    })
    .await;
    let others = [RunningCommand::sync(&world), RunningCommand::sync(&world)];
    requested(&world, 3).await;
    for other in &others {
        other
            .service
            .wait_for_log("runs this project; waiting for it since 20")
            .await;
    }
    take.send(true).unwrap();
    assert!(first.ended().await.contains("things settled: 2 created"));
    answer.send(true).unwrap();
    for other in others {
        let said = other.ended().await;
        assert!(said.contains("things settled: 2 unchanged"), "{said}");
    }
    assert_eq!(world.shop.server.count_method("POST"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_beside_a_run_that_is_told_to_end_goes_on_by_itself() {
    let (answer, answers) = watch::channel(false);
    let world = World::new(source(0, answers).await, Flow::default()).await;
    let mut run = RunningCommand::start(&world, &["run"]);
    run.service.ready().await;
    let sync = RunningCommand::sync(&world);
    eventually(async || {
        if world.source.count_method("GET") == 1 {
            Ok(())
        } else {
            Err("not read yet")
        }
    })
    .await;
    assert!(run.service.terminate().await.is_orderly());
    answer.send(true).unwrap();
    let said = sync.ended().await;
    assert!(said.contains("things settled: 2 created"), "{said}");
    assert_eq!(world.shop.things().len(), 2);
}
