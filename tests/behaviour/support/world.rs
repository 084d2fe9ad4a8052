//! A project between a source and a shop.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use pomost_broker::{Broker, Message, Queue, Route};
use pomost_extractor::Scheduling;
use pomost_http::ClientOptions;
use pomost_models::{DeadLetter, RunId};
use pomost_runtime::Backends;
use pomost_store::RunSummary;
use pomost_tests::{CommandOutput, eventually, open_dead_letters, pomost_in};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{
    FakeServer, Flow, FullDeadLetterQueue, Rows, RunningServices, Shop,
    running_services::{CLAIM, SHORT_CLAIM, request_run},
};

/// A source, a shop, and a project between them.
pub(crate) struct World {
    pub(crate) source: FakeServer,
    pub(crate) shop: Shop,
    directory: TempDir,
}

impl World {
    pub(crate) async fn new(source: FakeServer, flow: Flow) -> World {
        let world = World {
            source,
            shop: Shop::start().await,
            directory: tempfile::tempdir().unwrap(),
        };
        let system = |name: &str, url: &str| {
            world.write(
                &format!("systems/{name}.yaml"),
                &format!("system: {name}\nbase_url: {url}\n{AUTH}"),
            );
        };
        system("source", &world.source.url);
        system("shop", &world.shop.server.url);
        world.write(".env", "TOKEN=secret-of-the-tests\n");
        world.set_flow(flow);
        world
    }

    /// A world with these rows at its source.
    pub(crate) async fn with_rows<const N: usize>(rows: [Value; N], flow: Flow) -> (World, Rows) {
        let all = Rows::default();
        all.set(rows);
        (World::new(all.serve().await, flow).await, all)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn set_flow(&self, flow: Flow) {
        self.write("flows/things.yaml", &flow.text());
    }

    pub(crate) fn flow_text(&self) -> String {
        std::fs::read_to_string(self.directory().join("flows/things.yaml")).unwrap()
    }

    /// The text of a system's file.
    pub(crate) fn system(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory().join(format!("systems/{name}.yaml"))).unwrap()
    }

    /// Sets the time-out of requests to the shop. A request whose end is not known is in doubt as
    /// long.
    pub(crate) fn set_shop_timeout(&self, timeout: &str) {
        let system = self.system("shop");
        self.write(
            "systems/shop.yaml",
            &format!("{system}timeout: {timeout}\n"),
        );
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.directory().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs the flow until all its records have settled, or it failed.
    pub(crate) async fn sync(&self) -> RunSummary {
        self.sync_since(None).await
    }

    /// The run is there when the services look for the first time, so that nobody waits for their
    /// next look.
    pub(crate) async fn sync_since(&self, since: Option<&str>) -> RunSummary {
        let run = request_run(&*self.backends().await.store, since).await;
        self.finish(run).await
    }

    /// Runs the services until a run has ended that was requested already.
    pub(crate) async fn finish(&self, run: RunId) -> RunSummary {
        let running = self.start().await;
        let summary = running.ended(run).await;
        running.stop().await;
        summary
    }

    /// Kills a run when its records have settled and their dead letters cannot be published.
    pub(crate) async fn killed_before_its_dead_letters(&self) -> RunId {
        let refused = Arc::default();
        let running =
            RunningServices::start(self.directory(), SHORT_CLAIM, Scheduling::Off, |broker| {
                FullDeadLetterQueue::before(broker, &refused)
            })
            .await;
        let run = running.request(None).await;
        eventually(async || match refused.load(Ordering::Relaxed) {
            0 => Err("nothing died"),
            _ => Ok(()),
        })
        .await;
        running.kill().await;
        run
    }

    /// Starts the three services.
    pub(crate) async fn start(&self) -> RunningServices {
        self.start_with(Scheduling::Off, |broker| broker).await
    }

    /// Starts the three services with clients of these options.
    pub(crate) async fn start_clients(&self, options: &ClientOptions) -> RunningServices {
        let broker = |broker| broker;
        RunningServices::start_clients(self.directory(), CLAIM, Scheduling::Off, broker, options)
            .await
    }

    /// Starts the three services, for a test that kills them.
    pub(crate) async fn start_to_be_killed(&self, scheduling: Scheduling) -> RunningServices {
        RunningServices::start(self.directory(), SHORT_CLAIM, scheduling, |broker| broker).await
    }

    /// Starts the three services, with `broker` around the embedded one.
    pub(crate) async fn start_with(
        &self,
        scheduling: Scheduling,
        broker: impl FnOnce(Arc<dyn Broker>) -> Arc<dyn Broker>,
    ) -> RunningServices {
        RunningServices::start(self.directory(), CLAIM, scheduling, broker).await
    }

    /// Makes the messages that were delayed come at once, while the services do not run.
    pub(crate) fn end_delays(&self) {
        let queues = Connection::open(self.directory().join(QUEUES)).unwrap();
        queues
            .execute("UPDATE messages SET available_at = 0", [])
            .unwrap();
    }

    /// Number of messages that are not delayed.
    pub(crate) fn count_available_messages(&self) -> u32 {
        let queues = Connection::open(self.directory().join(QUEUES)).unwrap();
        let count =
            "SELECT count(*) FROM messages WHERE available_at <= unixepoch('subsec') * 1000";
        queues.query_row(count, [], |row| row.get(0)).unwrap()
    }

    /// The broker and the store, beside the services if those run.
    pub(crate) async fn backends(&self) -> Backends {
        Backends::embedded_beside(self.directory()).await.unwrap()
    }

    /// Puts messages into a queue of the flow.
    pub(crate) async fn publish(&self, queue: Queue, messages: Vec<Message>) {
        let broker = self.backends().await.broker;
        broker.declare(&["things".to_owned()]).await.unwrap();
        broker.publish(&Route::to(queue), messages).await.unwrap();
    }

    /// All open dead letters.
    pub(crate) async fn dead(&self) -> Vec<DeadLetter> {
        open_dead_letters(&*self.backends().await.store).await
    }

    /// The one dead letter there is.
    pub(crate) async fn only_dead(&self) -> DeadLetter {
        let mut letters = self.dead().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    pub(crate) async fn cursor(&self) -> Option<String> {
        self.backends().await.store.cursor("things").await.unwrap()
    }

    /// Runs the command line on the project.
    pub(crate) async fn pomost(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::of(self.command(arguments).output().await.unwrap())
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        pomost_in(self.directory(), arguments)
    }
}

/// The file of the queues, in a project's directory.
const QUEUES: &str = ".pomost/queues.db";

const AUTH: &str = "auth: { bearer: { token: \"${TOKEN}\" } }\n";
