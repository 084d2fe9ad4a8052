//! The documentation of the workspace's own sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The keywords of public items that must have a doc comment. A re-export has that of its item.
const ITEMS: [&str; 9] = [
    "const ", "enum ", "fn ", "mod ", "static ", "struct ", "trait ", "type ", "union ",
];

/// The end of a string that is not raw. It may be escaped within the string.
const QUOTE: &str = "\"";

/// The words that make a riddle of a doc comment instead of a sentence with a subject.
const RIDDLES: [&str; 4] = ["What", "Whether", "Who", "Whoever"];

/// All Rust files of the workspace, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for folder in ["services", "shared", "tests"] {
        collect(&root.join(folder), &mut sources);
    }
    assert!(sources.len() > 300, "{} files", sources.len());
    sources
}

fn collect(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
}

/// The lines of a text that are code or comments, with their numbers: those inside a string of
/// several lines are left out.
fn lines_outside_strings(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut end_of_string: Option<String> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let rest = match &end_of_string {
            None => {
                lines.push((number, line));
                line
            }
            Some(end) => match find_end(line, end) {
                None => continue,
                Some(length) => &line[length + end.len()..],
            },
        };
        end_of_string = open_string(rest);
    }
    lines
}

/// The end of a string that begins in a line and does not end there.
fn open_string(line: &str) -> Option<String> {
    let mut rest = line;
    loop {
        let start = rest.find('"')?;
        if rest[..start].contains("//") {
            return None;
        }
        if rest[..start].ends_with('\'') {
            // A character, not a string.
            rest = &rest[start + 1..];
            continue;
        }
        let hashes = rest[..start].len() - rest[..start].trim_end_matches('#').len();
        let is_raw = rest[..start].trim_end_matches('#').ends_with('r');
        let end = match is_raw {
            true => format!("\"{}", "#".repeat(hashes)),
            false => QUOTE.to_owned(),
        };
        let body = &rest[start + 1..];
        match find_end(body, &end) {
            None => return Some(end),
            Some(length) => rest = &body[length + end.len()..],
        }
    }
}

/// The place of the end of a string in the rest of it.
fn find_end(body: &str, end: &str) -> Option<usize> {
    if end == QUOTE {
        unescaped_quote(body)
    } else {
        body.find(end)
    }
}

fn unescaped_quote(body: &str) -> Option<usize> {
    let mut is_escaped = false;
    body.char_indices().find_map(|(at, c)| {
        let found = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        found.then_some(at)
    })
}

/// The public items of a file that have no doc comment, by their lines.
fn undocumented(text: &str) -> Vec<usize> {
    let mut has_comment = false;
    let mut attribute_depth = 0;
    let mut found = Vec::new();
    for (number, line) in lines_outside_strings(text) {
        let code = line.trim();
        // A macro hands the comments of its call on as attributes.
        let is_handed_on = code.starts_with("$(#[$");
        if code.starts_with("///") || code.starts_with("#[doc") || is_handed_on {
            has_comment = true;
            continue;
        }
        // Attributes stand between a comment and its item.
        if attribute_depth > 0 || code.starts_with("#[") {
            attribute_depth += count(code, '[') - count(code, ']');
            continue;
        }
        let is_documented_inside = code.starts_with("pub mod ") && code.ends_with(';');
        if is_public_item(code) && !has_comment && !is_documented_inside {
            found.push(number);
        }
        has_comment = false;
    }
    found
}

fn count(code: &str, character: char) -> isize {
    code.matches(character).count().cast_signed()
}

fn is_public_item(code: &str) -> bool {
    let Some(item) = code.strip_prefix("pub ") else {
        return false;
    };
    let item = ["async ", "unsafe ", "const "]
        .iter()
        .fold(item, |item, qualifier| match item.strip_prefix(qualifier) {
            Some(rest) if rest.contains("fn ") => rest,
            _ => item,
        });
    ITEMS.iter().any(|keyword| item.starts_with(keyword))
}

/// The doc comments of a file that begin as a riddle, by their lines.
fn riddles(text: &str) -> Vec<usize> {
    let mut is_inside = false;
    let mut found = Vec::new();
    for (number, line) in lines_outside_strings(text) {
        let code = line.trim();
        let comment = code
            .strip_prefix("///")
            .or_else(|| code.strip_prefix("//!"));
        if let Some(comment) = comment
            && !is_inside
            && begins_as_riddle(comment)
        {
            found.push(number);
        }
        is_inside = comment.is_some();
    }
    found
}

fn begins_as_riddle(comment: &str) -> bool {
    let first = comment
        .trim_start()
        .split(|c: char| !c.is_alphabetic())
        .next();
    RIDDLES.iter().any(|word| first == Some(word))
}

/// The places that a look finds in all sources, as `FILE:LINE`.
fn places(look: impl Fn(&str) -> Vec<usize>) -> Vec<String> {
    let mut places: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| {
            let path = path.display();
            look(text)
                .into_iter()
                .map(move |line| format!("{path}:{line}"))
        })
        .collect();
    places.sort();
    places
}

fn assert_none(places: &[String], fault: &str) {
    assert!(
        places.is_empty(),
        "{} {fault}:\n{}",
        places.len(),
        places.join("\n")
    );
}

#[test]
fn every_public_item_has_a_doc_comment() {
    assert_none(&places(undocumented), "public items have no doc comment");
}

#[test]
fn every_file_begins_with_a_doc_comment() {
    let undocumented = |text: &str| match text.starts_with("//!") {
        true => Vec::new(),
        false => vec![1],
    };
    let mut places = places(undocumented);
    // Tests beside the code or in a folder of their own say by their names what they are.
    places.retain(|place| !place.contains("tests.rs:") && !place.contains("/tests/it/"));
    assert_none(&places, "files have no doc comment");
}

#[test]
fn every_doc_comment_begins_as_a_sentence_with_a_subject() {
    assert_none(&places(riddles), "doc comments begin as a riddle");
}

#[test]
fn the_looks_find_what_they_look_for() {
    let text = "//! Whether it is so.\n\n/// Good.\n#[derive(\n    Debug\n)]\npub struct A;\npub struct B;\n\
                const TEXT: &str = r#\"\npub struct NotCode;\n/// What a text.\n\"#;\n/// Whoever.\n/// What goes on.\n\
                pub async fn c() {}\npub(crate) fn d() {}\npub use e::f;\npub const fn g() {}\npub mod h;\n";
    assert_eq!(undocumented(text), [8, 18]);
    assert_eq!(riddles(text), [1, 13]);
}
