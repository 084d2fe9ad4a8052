//! A loader of one flow, on the embedded backends.

use std::{
    fs, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use pomost_broker::Queue;
use pomost_http::SystemClients;
use pomost_loader::{ChangeOrdering, Destination, LoadHandler};
use pomost_models::{Batch, DeadLetter, Lane, Operation, Record, RunId, Stage, Version};
use pomost_project::{Project, environment::Environment};
use pomost_runtime::{Backends, ServiceContext, worker::MessageHandler};
use pomost_store::Outage;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::{TestSchema, url};

/// A loader of the flow `sales` into the table `sales`.
pub(crate) struct Scene {
    pub(crate) context: ServiceContext,
    handler: LoadHandler,
    _directory: TempDir,
}

impl Scene {
    pub(crate) async fn new(schema: &TestSchema, columns: &str, more: &str) -> Scene {
        Scene::at(&url(), schema, columns, more).await
    }

    /// A loader that knows the database by another URL.
    pub(crate) async fn at(
        database: &str,
        schema: &TestSchema,
        columns: &str,
        more: &str,
    ) -> Scene {
        let more = format!("columns: {columns}\n    {more}");
        Scene::with_file(database, schema, "note.txt", "", &more).await
    }

    /// A loader with a file in its project, and with these lines in `load.table`.
    pub(crate) async fn with_file(
        database: &str,
        schema: &TestSchema,
        file: &str,
        content: &str,
        more: &str,
    ) -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, content: String| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write(file, content.to_owned());
        write(
            "systems/source.yaml",
            "system: source\nbase_url: http://127.0.0.1:1\n".into(),
        );
        write(
            "flows/sales.yaml",
            format!(
                "flow: sales\nextract: {{ system: source, request: GET /sales, records: '.[]', key: .id }}\nload:\n  table:\n    \
                 database: ${{WAREHOUSE}}\n    name: {}.sales\n    key: sale\n    {more}\n",
                schema.name
            ),
        );
        let environment = Environment::of(
            directory.path(),
            [("WAREHOUSE".to_owned(), database.to_owned())],
        );
        let project = Project::load(directory.path(), &environment)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let backends = Backends::embedded(directory.path()).await.unwrap();
        let (claim, shutdown) = (Duration::from_secs(30), CancellationToken::new());
        let context = ServiceContext {
            project: Arc::new(project),
            backends,
            claim_ttl: claim,
            shutdown,
        };
        context.declare().await.unwrap();
        let clients = SystemClients::new(&context.project, &context.backends.store).unwrap();
        let flow = context.project.flows["sales"].clone();
        let destination = Destination::of(&flow, &clients, &context.backends.store).unwrap();
        let change_ordering = Arc::new(ChangeOrdering::new(
            context.clone(),
            destination.flow.clone(),
        ));
        let handler = LoadHandler {
            context: context.clone(),
            destination,
            change_ordering,
        };
        Scene {
            context,
            handler,
            _directory: directory,
        }
    }

    /// True while the flow takes no batches, since its destination is down.
    pub(crate) fn is_closed(&self) -> bool {
        self.handler.backpressure().is_down()
    }

    /// Waits until it is time to try if the destination is back.
    pub(crate) async fn ready(&self) {
        self.handler.backpressure().until_ready().await;
    }

    /// The outage that the store was told of.
    pub(crate) async fn outage(&self) -> Outage {
        loop {
            let outages = self.context.store().outages(Outage::FORGOTTEN_AFTER).await;
            if let Some(outage) = outages.unwrap().pop() {
                return outage;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Loads a batch.
    pub(crate) async fn load(&self, batch: Batch) {
        self.handler.handle(batch).await.unwrap();
    }

    /// Returns what the loader logs about a record that the table does not take.
    pub(crate) async fn refusal(&self, record: Record) -> String {
        let log = CapturedLog::default();
        let to_log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(Level::TRACE)
            .with_writer(log.clone());
        let _until_the_end = tracing::subscriber::set_default(to_log.finish());
        self.load(batch([record])).await;
        log.text()
    }

    /// The next dead letter.
    pub(crate) async fn dead(&self) -> DeadLetter {
        let mut letters: Vec<DeadLetter> = self.take(&Queue::Dead).await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    /// The next batch that is retried.
    pub(crate) async fn waits(&self) -> Batch {
        self.take(&Queue::work(Stage::Load, "sales")).await
    }

    async fn take<T: serde::de::DeserializeOwned>(&self, queue: &Queue) -> T {
        let mut consumer = self.context.broker().consume(queue, 1).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        let message = serde_json::from_slice(&delivery.message.body).unwrap();
        delivery.acknowledge().await.unwrap();
        message
    }
}

pub(crate) fn batch(records: impl IntoIterator<Item = Record>) -> Batch {
    let number = |(slot, record)| Record { slot, ..record };
    let records: Vec<Record> = (0..).zip(records).map(number).collect();
    let (run, id, size) = (
        RunId::generate(),
        "0.0".to_owned(),
        u32::try_from(records.len()).unwrap(),
    );
    Batch {
        flow: "sales".into(),
        run,
        id: id.into(),
        size,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records,
    }
}

pub(crate) fn record(key: &str, data: &str) -> Record {
    let data = RawValue::from_string(data.to_owned()).unwrap();
    let version = Version::new(uuid::Uuid::now_v7().to_string());
    Record {
        slot: 0,
        key: key.to_owned(),
        version,
        op: Operation::Upsert,
        data,
        source: None,
    }
}

pub(crate) fn deleted(key: &str) -> Record {
    Record {
        op: Operation::Delete,
        ..record(key, "null")
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for CapturedLog {
    type Writer = CapturedLog;

    fn make_writer(&self) -> CapturedLog {
        self.clone()
    }
}
