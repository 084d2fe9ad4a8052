#![allow(clippy::unwrap_used)]
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pomost_http::SystemClients;
use pomost_models::{Lane, RunId, RunTrigger};
use pomost_store::{Run, Store, sqlite::SqliteStore};
use serde_json::json;

use super::{super::RecordSink, *};
use crate::{source::Source, testing};

const FLOW: &str = "flow: things
extract:
  system: source
  request: GET /things
  records: .rows[]
  key: .key
  deleted: .gone == true
  sweep: { max_deletes: 40 }
load:
  system: shop
  create: { request: POST /things, id: .id }
  update: { request: \"PUT /things/{$id}\" }
  delete: { request: \"DELETE /things/{$id}\" }
  lookup: { request: \"GET /things?key={.key}\", id: .id }
";

/// A sink that keeps what it is given.
#[derive(Default)]
struct MemorySink {
    records: Mutex<Vec<Record>>,
    letters: Mutex<Vec<DeadLetter>>,
    progress: Mutex<Vec<(PageProgress, u64)>>,
}

#[async_trait]
impl RecordSink for MemorySink {
    async fn put(&self, batches: &[&Batch], letters: &[DeadLetter]) -> Result<(), Error> {
        let records = batches.iter().flat_map(|batch| batch.records.clone());
        self.records.lock().unwrap().extend(records);
        self.letters.lock().unwrap().extend_from_slice(letters);
        Ok(())
    }

    async fn record_progress(&self, progress: &PageProgress, rows: u64) -> Result<(), Error> {
        let progress = (progress.clone(), rows);
        self.progress.lock().unwrap().push(progress);
        Ok(())
    }
}

/// Writes these rows as the page of a run, and returns what the sink was given.
async fn written(rows: impl IntoIterator<Item = serde_json::Value>) -> MemorySink {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("store.db")).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let project = testing::project(FLOW, &[]);
    let clients = SystemClients::new(&project, &store).unwrap();
    let source = Source {
        client: clients.of("source").unwrap().clone(),
        flow: project.flows["things"].clone(),
    };
    let run = Run {
        id: RunId::generate(),
        flow: "things".into(),
        trigger: RunTrigger::Manual,
        since: None,
        checkpoint: None,
    };
    let sink = MemorySink::default();
    let context = RunContext {
        source: &source,
        run: &run,
        lane: Lane::Live,
        sink: &sink,
        store: &*store,
    };
    let start = Checkpoint {
        pages: 3,
        rows: 7,
        ..Checkpoint::default()
    };
    let mut writer = PageWriter::new(&context, &start);
    for row in rows {
        let row = pomost_expression::read(row.to_string().as_bytes()).unwrap();
        let rows = vec![FetchedRow::Present(row)];
        writer.add_rows(rows, &Variables::default()).await.unwrap();
    }
    writer.finish(None).await.unwrap();
    sink
}

#[tokio::test]
async fn a_page_of_any_length_is_read_with_a_bounded_number_of_keys_in_memory() {
    let row = |number: u32| json!({ "key": number, "gone": number.is_multiple_of(5) });
    let sink = written((0..45_000).map(row)).await;
    let progress = sink.progress.into_inner().unwrap();
    let keys = |(page, _): &(PageProgress, u64)| page.listed_keys.len() + page.deleted_keys.len();
    assert_eq!(progress.iter().map(keys).sum::<usize>(), 45_000);
    let one_publish = BATCHES_AT_A_TIME * 100;
    assert!(
        progress
            .iter()
            .all(|page| keys(page) <= MAX_WAITING_KEYS + one_publish)
    );
    // The run goes on behind the page only when all of it has been put, and its rows count once.
    let (last, before) = progress.split_last().unwrap();
    assert!(before.len() >= 4 && before.iter().all(|(_, rows)| *rows == 0));
    assert!(before.iter().all(|(page, _)| page.checkpoint["rows"] == 7));
    assert_eq!(
        (last.1, &last.0.checkpoint["rows"]),
        (45_000, &json!(45_007))
    );
    let mut ids: Vec<&str> = progress
        .iter()
        .flat_map(|(page, _)| page.batches.iter().map(|(id, _)| &**id))
        .collect();
    ids.dedup();
    assert_eq!((ids.len(), ids[0], ids[449]), (450, "3.0", "3.449"));
}

#[tokio::test]
async fn a_refused_row_has_a_slot_among_its_neighbours_and_goes_alone() {
    let rows = [
        json!({ "key": "a" }),
        json!({ "key": null }),
        json!({ "key": "c" }),
    ];
    let sink = written(rows).await;
    let records = sink.records.into_inner().unwrap();
    let slots = records.iter().map(|record| (&*record.key, record.slot));
    assert_eq!(slots.collect::<Vec<_>>(), [("a", 0), ("c", 2)]);
    let letters = sink.letters.into_inner().unwrap();
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert!(letter.error.starts_with("extract.key found null"));
    assert_eq!((letter.record.as_ref().unwrap().slot, letter.size), (1, 3));
}
