//! However long a body is, little of it is held.

#![allow(clippy::unwrap_used)]

mod support;

use pomost_format::{BodyFormat, CsvOptions, FormatSyntax, RowDecoder, RowPath, TextOptions};

use support::{list, xml};

const CHUNK: usize = 16 * 1024;

/// Reads a body of 20 MB that is made while it is read: what stands before the rows, rows of a few
/// hundred bytes, and what stands behind them. Returns how many rows came and the most that was
/// held.
fn read(
    format: &BodyFormat,
    list: Option<RowPath>,
    before: &str,
    row: &str,
    behind: &str,
) -> (usize, usize) {
    let mut decoder = RowDecoder::new(format, list);
    let (mut rows, mut held, mut chunk) = (0, 0, before.as_bytes().to_vec());
    let count = 20_000_000 / row.len();
    for number in 0..count {
        chunk.extend_from_slice(row.as_bytes());
        if number + 1 == count {
            chunk.truncate(chunk.len() - usize::from(row.ends_with(',')));
            chunk.extend_from_slice(behind.as_bytes());
        }
        while chunk.len() >= CHUNK || (number + 1 == count && !chunk.is_empty()) {
            let next = chunk.split_off(chunk.len().min(CHUNK));
            decoder.feed(&chunk);
            chunk = next;
            held = held.max(decoder.buffered());
            rows += decoder.by_ref().map(Result::unwrap).count();
            held = held.max(decoder.buffered());
        }
    }
    decoder.finish();
    rows += decoder.map(Result::unwrap).count();
    assert!(rows >= count, "{rows} of {count}");
    (rows, held)
}

/// Holds no more than a chunk and a row, and what stands around the rows.
fn is_flat(format: &BodyFormat, list: Option<RowPath>, before: &str, row: &str, behind: &str) {
    let (_, held) = read(format, list, before, row, behind);
    assert!(
        held > 0 && held <= 2 * CHUNK + row.len() + before.len() + behind.len(),
        "{} {held}",
        format.name()
    );
}

fn json_row() -> String {
    format!(
        r#"{{"id":17,"name":"ż \"[","tags":["a",{{"b":1.10}}],"note":"{}"}}"#,
        "x".repeat(400)
    )
}

#[test]
fn a_long_json_list_is_read_at_flat_memory() {
    let row = format!("{},", json_row());
    is_flat(
        &BodyFormat::default(),
        Some(list(".data.items[]")),
        r#"{"data":{"items":["#,
        &row,
        r#"]},"next":"/2"}"#,
    );
    is_flat(&BodyFormat::default(), Some(list(".[]")), "[", &row, "]");
}

#[test]
fn a_long_json_list_of_small_elements_is_read_at_flat_memory() {
    is_flat(
        &BodyFormat::default(),
        Some(list(".[]")),
        "[",
        &format!("1234567.50{},", " ".repeat(90)),
        "]",
    );
}

#[test]
fn long_json_lines_are_read_at_flat_memory() {
    is_flat(
        &FormatSyntax::JsonLines.into(),
        None,
        "",
        &format!("{}\r\n", json_row()),
        "\n",
    );
}

#[test]
fn a_long_table_is_read_at_flat_memory() {
    let row = format!("17,\"ż, \"\"x\"\"\n\",{}\r\n", "x".repeat(400));
    is_flat(
        &FormatSyntax::Csv(CsvOptions::default()).into(),
        None,
        "id,name,note\r\n",
        &row,
        "",
    );
}

#[test]
fn a_long_xml_document_is_read_at_flat_memory() {
    let row = format!(
        "\n  <order id='17'><!-- x --><name>ż &amp; x</name><note>{}</note></order>",
        "x".repeat(400)
    );
    is_flat(
        &xml("/orders/order"),
        None,
        "<orders><next>/2</next>",
        &row,
        "\n</orders>",
    );
}

#[test]
fn long_text_is_read_line_by_line_at_flat_memory() {
    is_flat(
        &FormatSyntax::Text(TextOptions { lines: true }).into(),
        None,
        "",
        &format!("ż{}\n", "x".repeat(400)),
        "",
    );
}

#[test]
fn an_endless_row_is_refused_before_it_fills_the_memory() {
    let endless = [
        (BodyFormat::default(), Some(list(".[]")), "[\""),
        (FormatSyntax::JsonLines.into(), None, "{\"a\":\""),
        (
            FormatSyntax::Csv(CsvOptions::default()).into(),
            None,
            "a\n\"",
        ),
        (xml("/a/b"), None, "<a><b>"),
        (xml("/a/b"), None, "<a><b c='"),
        (
            FormatSyntax::Text(TextOptions { lines: true }).into(),
            None,
            "",
        ),
    ];
    for (format, list, before) in endless {
        let mut decoder = RowDecoder::new(&format, list);
        decoder.feed(before.as_bytes());
        let mut held = 0;
        let error = (0..2048).find_map(|_| {
            decoder.feed(&[b'x'; CHUNK]);
            held = held.max(decoder.buffered());
            decoder.next()
        });
        let error = error.unwrap().unwrap_err().to_string();
        assert!(error.contains("is longer than 16777216 bytes"), "{error}");
        assert!(held <= (16 << 20) + 2 * CHUNK, "{} {held}", format.name());
    }
}
