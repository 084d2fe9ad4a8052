//! The content of files, how often records are in them, and what is kept of their batches.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, slice};

use pomost_format::{CsvOptions, FormatSyntax};
use pomost_http::SendPermit;
use pomost_models::{Batch, Lane, Operation, Outcome, Record, SlotOutcomes, Version};
use pomost_store::{ClaimResult, KnownRecord, LeaseName, RunRequest, sqlite::SqliteStore};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;
use crate::claims::{ClaimedRecord, claim_entry};

async fn store(directory: &Path) -> Arc<dyn Store> {
    let path = directory.join("state.db");
    Arc::new(SqliteStore::open(&path).await.unwrap())
}

async fn writer(directory: &Path, syntax: FormatSyntax) -> FileWriter {
    let files = FileDestination {
        directory: directory.join("reports/sales"),
        format: syntax.into(),
    };
    let breaker =
        crate::destinations::destination::new_breaker("sales (files)", &store(directory).await);
    FileWriter::new("sales", Arc::new(files), breaker)
}

fn csv() -> FormatSyntax {
    FormatSyntax::Csv(CsvOptions::default())
}

fn batch(id: &str) -> Batch {
    let run = "0190a5e2-0000-7000-8000-000000000000"
        .parse::<RunId>()
        .unwrap();
    Batch {
        flow: "sales".into(),
        run,
        id: id.into(),
        size: 9,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records: Vec::new(),
    }
}

fn record(slot: u32, data: &str) -> Record {
    let data = RawValue::from_string(data.into()).unwrap();
    let (key, version, op) = (slot.to_string(), Version::new("1"), Operation::Upsert);
    Record {
        slot,
        key,
        version,
        op,
        data,
        source: None,
    }
}

/// Records as a page gives them, each with its data for a key.
fn page(data: &[&str]) -> Vec<Record> {
    (0..)
        .zip(data)
        .map(|(slot, data)| Record {
            key: (*data).into(),
            ..record(slot, data)
        })
        .collect()
}

/// The same of a source without versions, as they are when they are read now.
fn page_without_versions(data: &[&str]) -> Vec<Record> {
    let moment = Uuid::now_v7();
    let version = |record: &Record| Version::of_extraction(moment, record.slot as usize);
    page(data)
        .into_iter()
        .map(|record| Record {
            version: version(&record),
            ..record
        })
        .collect()
}

/// Claimed as if the ledger knew nothing of the record.
fn claimed(record: &Record) -> ClaimedRecord {
    let result = ClaimResult::Claimed(KnownRecord::default());
    ClaimedRecord::new(record.clone(), claim_entry(record, None), result)
}

async fn try_to_write(
    writer: &FileWriter,
    batch: &Batch,
    records: &[Record],
) -> Result<Vec<WriteResult>, Failure> {
    let (claimed, known): (Vec<_>, _) = (
        records.iter().map(claimed).collect(),
        KnownRecord::default(),
    );
    let item = |claimed| WriteItem {
        batch,
        claimed,
        known: &known,
        id: None,
        create_in_doubt: false,
        overwrites: false,
        permit: SendPermit::default(),
    };
    let items: Vec<WriteItem<'_>> = claimed.iter().map(item).collect();
    writer.plan(RecordAction::Create, &items)?.perform().await
}

async fn write(writer: &FileWriter, batch: &Batch, records: &[Record]) -> Vec<Option<String>> {
    let results = try_to_write(writer, batch, records).await.unwrap();
    let message = |result: WriteResult| result.err().map(|failure| failure.message);
    results.into_iter().map(message).collect()
}

/// A file's name, with HASH for what is made of its content.
fn without_hash((name, content): (String, String)) -> (String, String) {
    let (stem, rest) = name.rsplit_once('-').unwrap();
    let (hash, extension) = rest.split_once('.').unwrap();
    assert!(
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{name}"
    );
    (format!("{stem}-HASH.{extension}"), content)
}

/// The files that other programs see, by name, with their content.
fn files(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory.join("reports/sales"))
        .unwrap()
        .map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (!name.starts_with('.')).then(|| (name, fs::read_to_string(entry.path()).unwrap()))
    };
    let mut files: Vec<_> = entries.filter_map(file).collect();
    files.sort();
    files
}

/// All lines of the files, in order.
fn lines(directory: &Path) -> Vec<String> {
    let content: String = files(directory)
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    let mut lines: Vec<String> = content.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn a_table_has_a_header_and_the_columns_of_all_its_records() {
    let directory = tempfile::tempdir().unwrap();
    let records = [
        record(0, r#"{"id":1,"total":1.10}"#),
        record(2, r#"{"id":9007199254740993,"note":"a,b"}"#),
    ];
    assert_eq!(
        write(
            &writer(directory.path(), csv()).await,
            &batch("0.1"),
            &records
        )
        .await,
        [None, None]
    );
    let content = "id,total,note\r\n1,1.10,\r\n9007199254740993,,\"a,b\"\r\n";
    let name = "sales-0190a5e2-0000-7000-8000-000000000000-0.1-HASH.csv";
    assert_eq!(
        files(directory.path())
            .into_iter()
            .map(without_hash)
            .collect::<Vec<_>>(),
        [(name.into(), content.into())]
    );
}

#[tokio::test]
async fn json_lines_hold_each_record_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    write(
        &writer,
        &batch("webhook.1/split0"),
        &[record(3, r#"{"n":1.10,"l":[1]}"#), record(4, "7")],
    )
    .await;
    let name = "sales-0190a5e2-0000-7000-8000-000000000000-webhook.1%2Fsplit0-HASH.jsonl";
    assert_eq!(
        files(directory.path())
            .into_iter()
            .map(without_hash)
            .collect::<Vec<_>>(),
        [(name.into(), "{\"n\":1.10,\"l\":[1]}\n7\n".into())]
    );
}

#[tokio::test]
async fn a_record_that_a_table_cannot_hold_is_refused_alone() {
    let directory = tempfile::tempdir().unwrap();
    let records = [
        record(0, r#"{"id":1}"#),
        record(1, r#"{"id":["secret"]}"#),
        record(2, r#"{"id":3}"#),
    ];
    let refused = write(
        &writer(directory.path(), csv()).await,
        &batch("0.1"),
        &records,
    )
    .await;
    let message = "the record cannot be written as CSV: the column 'id' holds a list";
    assert_eq!(refused, [None, Some(message.to_owned()), None]);
    assert_eq!(files(directory.path())[0].1, "id\r\n1\r\n3\r\n");
}

#[tokio::test]
async fn a_field_whose_name_cannot_be_written_is_the_fault_of_its_record() {
    let directory = tempfile::tempdir().unwrap();
    let options = CsvOptions {
        quote: None,
        ..CsvOptions::default()
    };
    let records = [
        record(0, r#"{"id":1}"#),
        record(1, r#"{"id":2,"a,b":0}"#),
        record(2, r#"{"id":3,"n":4}"#),
    ];
    let refused = write(
        &writer(directory.path(), FormatSyntax::Csv(options)).await,
        &batch("0.1"),
        &records,
    )
    .await;
    let message = "the record cannot be written as CSV: the field 'a,b' has no column";
    assert_eq!(refused, [None, Some(message.to_owned()), None]);
    assert_eq!(files(directory.path())[0].1, "id,n\r\n1,\r\n3,4\r\n");
}

#[tokio::test]
async fn records_that_fit_only_among_the_columns_of_one_that_is_refused_are_refused_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let records = [record(0, "{}"), record(1, r#"{"id":[1]}"#)];
    let refused = write(
        &writer(directory.path(), csv()).await,
        &batch("0.1"),
        &records,
    )
    .await;
    assert!(refused.iter().all(Option::is_some), "{refused:?}");
    assert_eq!(files(directory.path()), []);
}

#[tokio::test]
async fn many_records_that_a_table_cannot_hold_are_refused_and_their_columns_are_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let data = |slot| match slot % 2 {
        0 => format!(r#"{{"id":{slot}}}"#),
        _ => format!(r#"{{"id":{slot},"n{slot}":[]}}"#),
    };
    let records: Vec<_> = (0..1000).map(|slot| record(slot, &data(slot))).collect();
    let refused = write(
        &writer(directory.path(), csv()).await,
        &batch("0.1"),
        &records,
    )
    .await;
    for (slot, refused) in refused.iter().enumerate() {
        assert_eq!(refused.is_some(), slot % 2 == 1, "{slot}");
    }
    let expected: String = (0..500).map(|half| format!("{}\r\n", half * 2)).collect();
    assert_eq!(files(directory.path())[0].1, format!("id\r\n{expected}"));
}

/// As after a kill between the file and the settlement: whatever part of the batch is claimed then.
#[tokio::test]
async fn what_comes_again_is_not_written_again_whatever_comes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    let all: Vec<_> = (0..6).map(|slot| record(slot, &slot.to_string())).collect();
    write(&writer, &batch("0.1"), &all[1..4]).await;
    let first = files(directory.path()).remove(0);
    for part in [&all[1..4], &all[2..3], &all[..4], &all[3..], &all[..]] {
        assert!(
            write(&writer, &batch("0.1"), part)
                .await
                .iter()
                .all(Option::is_none)
        );
        assert!(files(directory.path()).contains(&first));
    }
    assert_eq!(lines(directory.path()), ["0", "1", "2", "3", "4", "5"]);
}

/// As when a page is read again after a kill, and its source has another row by then: the batch has
/// its old name, and other records in its slots.
#[tokio::test]
async fn rows_that_have_moved_when_their_page_is_read_again_are_not_lost_nor_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    write(&writer, &batch("0.1"), &page(&["1", "2", "3"])).await;
    let first = files(directory.path()).remove(0);
    for again in [
        &["0", "1", "2"][..],
        &["3", "4"],
        &["4", "3", "2", "1", "0"],
    ] {
        write(&writer, &batch("0.1"), &page(again)).await;
        assert!(files(directory.path()).contains(&first));
    }
    assert_eq!(lines(directory.path()), ["0", "1", "2", "3", "4"]);
}

/// Its records have other versions each time that they are read.
#[tokio::test]
async fn a_page_without_versions_that_is_read_again_loses_nothing_and_its_equal_is_not_written_again()
 {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    for _ in 0..2 {
        write(&writer, &batch("0.1"), &page_without_versions(&["1", "2"])).await;
        assert_eq!(lines(directory.path()), ["1", "2"]);
    }
    write(
        &writer,
        &batch("0.1"),
        &page_without_versions(&["0", "1", "2"]),
    )
    .await;
    assert!(lines(directory.path()).contains(&"0".to_owned()));
}

#[tokio::test]
async fn a_record_that_has_changed_when_its_page_is_read_again_is_written_as_it_is_now() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    let later = Record {
        version: Version::new("2"),
        ..record(0, "7")
    };
    for record in [record(0, "7"), record(0, "8"), later] {
        write(&writer, &batch("0.1"), slice::from_ref(&record)).await;
        write(&writer, &batch("0.1"), &[record]).await;
    }
    assert_eq!(lines(directory.path()), ["7", "7", "8"]);
}

/// As after a kill between the note and the file.
#[tokio::test]
async fn a_note_without_its_file_holds_nothing_back() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    write(&writer, &batch("0.1"), &[record(0, "0"), record(1, "1")]).await;
    let (name, content) = files(directory.path()).remove(0);
    fs::remove_file(directory.path().join("reports/sales").join(&name)).unwrap();
    write(&writer, &batch("0.1"), &[record(0, "0"), record(1, "1")]).await;
    assert_eq!(files(directory.path()), [(name, content)]);
}

#[tokio::test]
async fn equal_records_of_a_batch_are_all_written_and_so_are_those_of_other_batches() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines).await;
    write(&writer, &batch("0.1"), &[record(0, "7"), record(1, "7")]).await;
    write(&writer, &batch("0.10"), &[record(0, "7")]).await;
    let contents: Vec<String> = files(directory.path())
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    assert_eq!(contents, ["7\n7\n", "7\n"]);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("reports"), "a file").unwrap();
    let writer = writer(directory.path(), csv()).await;
    let failure = try_to_write(&writer, &batch("0.1"), &[record(0, "1")])
        .await
        .unwrap_err();
    assert!(failure.class.is_of_the_system());
    assert!(
        failure.message.contains("reports/sales"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_plan_shows_the_file_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), csv()).await;
    let (claimed, known) = (claimed(&record(0, r#"{"id":1}"#)), KnownRecord::default());
    let item = WriteItem {
        batch: &batch("0.1"),
        claimed: &claimed,
        known: &known,
        id: None,
        create_in_doubt: false,
        overwrites: false,
        permit: SendPermit::default(),
    };
    let shown = writer
        .plan(RecordAction::Create, slice::from_ref(&item))
        .unwrap()
        .to_string();
    let name = "reports/sales/sales-0190a5e2-0000-7000-8000-000000000000-0.1-*.csv";
    assert!(shown.contains(name), "{shown}");
    assert!(shown.ends_with("{\"id\":1}\n"), "{shown}");
    assert!(!directory.path().join("reports").exists());
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_closes_the_flow_until_it_can() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("reports"), "a file").unwrap();
    let writer = writer(directory.path(), csv()).await;
    let (batch, records) = (batch("0.1"), [record(0, r#"{"id":1}"#)]);
    for _ in 0..10 {
        assert!(!writer.breaker.is_down());
        let failure = try_to_write(&writer, &batch, &records).await.unwrap_err();
        assert!(!failure.not_sent, "{failure}");
    }
    assert!(writer.breaker.is_down());
    let failure = try_to_write(&writer, &batch, &records).await.unwrap_err();
    assert!(failure.not_sent && failure.class.is_of_the_system());
    fs::remove_file(directory.path().join("reports")).unwrap();
    writer.breaker.until_ready().await;
    assert_eq!(write(&writer, &batch, &records).await, [None]);
    assert!(!writer.breaker.is_down());
}

/// The directories of notes that are left.
fn notes(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("reports/sales/.written")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A run of one page with one batch of one record.
async fn run_of_one_record(store: &dyn Store) -> RunId {
    let request = RunRequest {
        flow: "sales".into(),
        trigger: pomost_models::RunTrigger::Manual,
        since: None,
    };
    let run = store.request_run(&request).await.unwrap();
    let lease = store
        .acquire_lease(
            LeaseName::Flow("sales".to_owned()),
            "test",
            Duration::from_secs(60),
        )
        .await
        .unwrap()
        .unwrap();
    let page = pomost_store::PageProgress {
        run,
        batches: vec![("0.1".into(), 1)],
        checkpoint: serde_json::Value::Null,
        listed_keys: Vec::new(),
        deleted_keys: Vec::new(),
    };
    store.record_page(&lease, &page).await.unwrap();
    store
        .finish_extraction(&lease, run, None, None)
        .await
        .unwrap();
    store.release_lease(&lease).await.unwrap();
    run
}

#[tokio::test]
async fn notes_are_deleted_once_their_run_has_settled_and_they_are_old() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), csv()).await;
    let store = store(directory.path()).await;
    let (settled, unsettled) = (
        run_of_one_record(&*store).await,
        run_of_one_record(&*store).await,
    );
    let (unknown, records) = (batch("0.1").run, [record(0, r#"{"id":1}"#)]);
    for run in [settled, unsettled, unknown] {
        let batch = Batch {
            run,
            ..batch("0.1")
        };
        write(&writer, &batch, &records).await;
    }
    let mut outcomes = SlotOutcomes::unsettled(0);
    outcomes.settle(0, Outcome::Created);
    store
        .record_outcomes(settled, "0.1", &outcomes)
        .await
        .unwrap();
    let before = notes(directory.path());
    writer.clean_up(&*store).await;
    assert_eq!(notes(directory.path()), before, "they are new");
    writer.delete_notes(&*store, Duration::ZERO).await.unwrap();
    let mut left = [
        format!("sales-{unsettled}-0.1"),
        format!("sales-{unknown}-0.1"),
    ];
    left.sort();
    assert_eq!(notes(directory.path()), left);
    assert_eq!(files(directory.path()).len(), 3, "files stay");
}

#[tokio::test]
async fn notes_of_other_flows_in_the_same_directory_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), csv()).await;
    let store = store(directory.path()).await;
    let run = run_of_one_record(&*store).await;
    let mut outcomes = SlotOutcomes::unsettled(0);
    outcomes.settle(0, Outcome::Created);
    store.record_outcomes(run, "0.1", &outcomes).await.unwrap();
    let batch = Batch {
        run,
        flow: "sales-of-shops".into(),
        ..batch("0.1")
    };
    write(&writer, &batch, &[record(0, r#"{"id":1}"#)]).await;
    writer.delete_notes(&*store, Duration::ZERO).await.unwrap();
    assert_eq!(
        notes(directory.path()),
        [format!("sales-of-shops-{run}-0.1")]
    );
}
