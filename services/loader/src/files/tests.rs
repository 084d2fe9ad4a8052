//! What is in the files, and how often.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use pomost_format::CsvOptions;
use pomost_models::{Operation, RunId, Version};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;

fn writer(directory: &Path, syntax: FormatSyntax) -> Writer {
    Writer::new(Arc::new(FileDestination {
        directory: directory.join("reports/sales"),
        format: syntax.into(),
    }))
}

fn csv() -> FormatSyntax {
    FormatSyntax::Csv(CsvOptions::default())
}

fn batch(id: &str) -> Batch {
    let run = "0190a5e2-0000-7000-8000-000000000000"
        .parse::<RunId>()
        .unwrap();
    Batch {
        size: 9,
        ..Batch::new("sales", run, id, Vec::new())
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

async fn write(writer: &Writer, batch: &Batch, records: &[Record]) -> Vec<Option<String>> {
    let written = writer
        .write_records(batch, records.iter().collect())
        .await
        .unwrap();
    let message = |written| match written {
        Written::Failed(failed) => Some(failed.failure.message),
        _ => None,
    };
    written.into_iter().map(message).collect()
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
        write(&writer(directory.path(), csv()), &batch("0.1"), &records).await,
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
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
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
    let refused = write(&writer(directory.path(), csv()), &batch("0.1"), &records).await;
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
        &writer(directory.path(), FormatSyntax::Csv(options)),
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
    let refused = write(&writer(directory.path(), csv()), &batch("0.1"), &records).await;
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
    let refused = write(&writer(directory.path(), csv()), &batch("0.1"), &records).await;
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
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
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

/// As when a page is read again after a kill, and its source has another row by then: the batch has its
/// old name, and other records in its slots.
#[tokio::test]
async fn rows_that_have_moved_when_their_page_is_read_again_are_not_lost_nor_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
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
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
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
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
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
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
    write(&writer, &batch("0.1"), &[record(0, "0"), record(1, "1")]).await;
    let (name, content) = files(directory.path()).remove(0);
    fs::remove_file(directory.path().join("reports/sales").join(&name)).unwrap();
    write(&writer, &batch("0.1"), &[record(0, "0"), record(1, "1")]).await;
    assert_eq!(files(directory.path()), [(name, content)]);
}

#[tokio::test]
async fn equal_records_of_a_batch_are_all_written_and_so_are_those_of_other_batches() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(directory.path(), FormatSyntax::JsonLines);
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
    let writer = writer(directory.path(), csv());
    let failure = writer
        .write_records(&batch("0.1"), vec![&record(0, "1")])
        .await
        .unwrap_err();
    assert!(failure.class.is_of_the_system());
    assert!(
        failure.message.contains("reports/sales"),
        "{}",
        failure.message
    );
}
