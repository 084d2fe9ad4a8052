//! Any bytes at all, in any chunks: rows or an error, the same however they are cut.
//! `PROPTEST_CASES` says how many are tried; what once went wrong is kept beside this file and in
//! `corpus/`.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::Path};

use pomost_format::{BodyFormat, CsvOptions, FormatSyntax, RowPath, TextOptions};
use proptest::{collection::vec, prelude::*, sample::Index};

use support::{PIECES, bodies, list, outcome, xml};

fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => (0..PIECES.len()).prop_map(|piece| PIECES[piece].to_vec()),
        1 => vec(any::<u8>(), 0..4),
        1 => "[a-cż]{0,4}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A body of each format with pieces put into it.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<Index>(), 0..6_usize, 0..PIECES.len());
    (0..bodies().len(), vec(damage, 1..4)).prop_map(|(body, damages)| {
        let mut bytes = bodies()[body].2.to_vec();
        for (place, taken, piece) in damages {
            let start = place.index(bytes.len() + 1);
            let end = (start + taken).min(bytes.len());
            bytes.splice(start..end, PIECES[piece].iter().copied());
        }
        bytes
    })
}

/// Every format, and JSON with its list.
fn formats() -> Vec<(BodyFormat, Option<RowPath>)> {
    let content_types = [
        "text/csv; charset=windows-1250",
        "application/x-ndjson; charset=utf-16",
    ];
    let declared = content_types
        .into_iter()
        .filter_map(BodyFormat::of_content_type)
        .map(|format| (format, None));
    let lenient = CsvOptions {
        lenient: true,
        escape: Some(b'\\'),
        skip: 1,
        ..CsvOptions::default()
    };
    let nulls = CsvOptions {
        nulls: true,
        ..CsvOptions::default()
    };
    let written = [
        (BodyFormat::default(), None),
        (BodyFormat::default(), Some(list(".items[]"))),
        (FormatSyntax::JsonLines.into(), None),
        (FormatSyntax::Csv(CsvOptions::default()).into(), None),
        (FormatSyntax::Csv(lenient).into(), None),
        (FormatSyntax::Csv(nulls).into(), None),
        (xml("/a/a"), None),
        (xml(""), None),
        (FormatSyntax::Text(TextOptions { lines: true }).into(), None),
        (FormatSyntax::Form.into(), None),
    ];
    written.into_iter().chain(declared).collect()
}

fn same_in_any_chunks(body: &[u8], cuts: &[Index]) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    cuts.sort_unstable();
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let chunks: Vec<&[u8]> = starts
        .zip(cuts.iter().copied().chain([body.len()]))
        .map(|(start, end)| &body[start..end])
        .collect();
    for (format, list) in formats() {
        let whole = outcome(&format, list.as_ref(), [body]);
        let text = String::from_utf8_lossy(body);
        assert_eq!(
            outcome(&format, list.as_ref(), chunks.iter().copied()),
            whole,
            "{} {text}",
            format.name()
        );
        assert_eq!(
            outcome(&format, list.as_ref(), body.chunks(1)),
            whole,
            "{} {text}",
            format.name()
        );
    }
}

proptest! {
    #[test]
    fn any_body_is_read_alike_in_any_chunks(body in body(), cuts in vec(any::<Index>(), 0..6)) {
        same_in_any_chunks(&body, &cuts);
    }

    #[test]
    fn a_damaged_body_is_read_alike_in_any_chunks(body in damaged(), cuts in vec(any::<Index>(), 0..6)) {
        same_in_any_chunks(&body, &cuts);
    }

    #[test]
    fn any_content_type_names_a_format_or_none(content_type in "(text|application|image)/[-+a-z]{0,9}(;[ a-z=\"0-9-]{0,20}){0,3}|.{0,20}") {
        drop(BodyFormat::of_content_type(&content_type));
        drop(BodyFormat::of_response(None, Some(&content_type)));
    }
}

#[test]
fn what_went_wrong_once_does_not_any_more() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for file in fs::read_dir(corpus).unwrap() {
        same_in_any_chunks(&fs::read(file.unwrap().path()).unwrap(), &[]);
    }
}
