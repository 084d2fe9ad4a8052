//! The elements of a JSON list, read while it comes, are those that jq reads from the document.

#![allow(clippy::unwrap_used)]

mod support;

use fastrand::Rng;
use pomost_expression::{Expression, Variables, read, write};
use pomost_format::{BodyFormat, DecodeLimits, row_path};

use support::{Outcome, list, outcome};

fn streamed(expression: &str, body: &str) -> Outcome {
    outcome(
        &BodyFormat::default(),
        Some(&list(expression)),
        [body.as_bytes()],
    )
}

fn error(expression: &str, body: &str) -> String {
    streamed(expression, body).error.unwrap().to_string()
}

#[test]
fn the_elements_are_rows_and_what_stands_around_them_is_the_rest() {
    let body = r#"{"meta":{"items":[0]},"data":{"a":[{"items":[0]}],"items":[1.10, {"x":"]"} ,[]],"n":3},"next":"/2"}"#;
    let read = streamed(".data.items[]", body);
    assert_eq!(read.rows, ["1.10", r#"{"x":"]"}"#, "[]"]);
    assert_eq!(
        read.rest,
        r#"{"meta":{"items":[0]},"data":{"a":[{"items":[0]}],"items":[],"n":3},"next":"/2"}"#
    );
    assert_eq!(read.error, None);
    let read = streamed(".[]", " [ 1 , 2 ] ");
    assert_eq!(
        (read.rows, read.rest),
        (vec!["1".to_owned(), "2".to_owned()], "[]".to_owned())
    );
    assert_eq!(
        streamed(".it\u{65}ms[]", r#"{"it\u0065ms":[1]}"#).rows,
        ["1"]
    );
    assert_eq!(streamed(".a[]", "{\"a\":[]}").rows, Vec::<String>::new());
}

#[test]
fn an_object_in_place_of_the_list_gives_its_values_as_in_jq() {
    let read = streamed(".a[]", r#"{"a":{"x":1,"y":[2]},"b":3}"#);
    assert_eq!(read.rows, ["1", "[2]"]);
    assert_eq!(read.rest, r#"{"a":{"x":1,"y":[2]},"b":3}"#);
}

#[test]
fn a_document_without_the_list_is_an_error_unless_the_path_is_optional() {
    for body in [
        r#"{"b":[]}"#,
        r#"{"data":null}"#,
        r#"{"data":{"items":5}}"#,
        "null",
    ] {
        let expected = format!(
            "JSON, row 1, byte {}: expected a list at .data.items",
            body.len()
        );
        assert_eq!(error(".data.items[]", body), expected);
        let optional = streamed(".data.items[]?", body);
        assert_eq!(
            (optional.error, optional.rows.len(), &optional.rest[..]),
            (None, 0, body)
        );
    }
    for body in [r#"{"data":[1]}"#, r#"{"data":"x"}"#, "5", "[1]"] {
        let expected = format!(
            "JSON, row 1, byte {}: expected a list at .data.items",
            body.len()
        );
        assert_eq!(error(".data.items[]?", body), expected);
    }
}

#[test]
fn a_list_that_is_no_json_is_an_error_with_its_place() {
    for (body, expected) in [
        ("[1,2,]", "row 3, byte 5: expected JSON as RFC 8259 has it"),
        ("[,1]", "row 1, byte 1: expected JSON as RFC 8259 has it"),
        ("[1 2]", "row 2, byte 3: expected , or ] behind an element"),
        ("[1}", "row 2, byte 2: expected , or ] behind an element"),
        ("[01]", "row 1, byte 2: expected JSON as RFC 8259 has it"),
        (
            "[{\"a\":1},{\"a\" 2}]",
            "row 2, byte 14: expected JSON as RFC 8259 has it",
        ),
        (
            "[\"a\tb\"]",
            "row 1, byte 2: expected JSON as RFC 8259 has it",
        ),
        ("[1] [2]", "row 2, byte 4: expected JSON as RFC 8259 has it"),
        ("[1]]", "row 2, byte 3: expected JSON as RFC 8259 has it"),
        ("[NaN]", "row 1, byte 1: expected JSON as RFC 8259 has it"),
        (
            "[1",
            "row 1, byte 1: the body ends here; expected the rest of an element",
        ),
        (
            "[1 ",
            "row 2, byte 3: the body ends here; expected the rest of the list",
        ),
        (
            "[",
            "row 1, byte 1: the body ends here; expected the rest of the list",
        ),
        (
            "",
            "row 1, byte 0: the body ends here; expected the rest of a JSON value",
        ),
    ] {
        assert_eq!(error(".[]", body), format!("JSON, {expected}"), "{body}");
    }
}

#[test]
fn what_stands_around_a_list_is_strict_json_too() {
    for (body, expected) in [
        (
            r#"{"a":[1,2],}"#,
            "row 3, byte 11: expected JSON as RFC 8259 has it",
        ),
        (
            r#"{"a":[1,2],"b":x}"#,
            "row 3, byte 15: expected JSON as RFC 8259 has it",
        ),
        (
            r#"{x:1,"a":[1]}"#,
            "row 2, byte 1: expected JSON as RFC 8259 has it",
        ),
        (
            r#"{"a":[1]"#,
            "row 2, byte 8: the body ends here; expected the rest of a JSON value",
        ),
        (
            r#"{"a":[1],"b":"#,
            "row 2, byte 13: the body ends here; expected the rest of a JSON value",
        ),
        (
            r#"{"a":[1],"a":[2]}"#,
            "row 2, byte 9: a field on the path .a occurs twice",
        ),
        (
            r#"{"a":null,"a":[2]}"#,
            "row 1, byte 10: a field on the path .a occurs twice",
        ),
    ] {
        assert_eq!(error(".a[]", body), format!("JSON, {expected}"), "{body}");
    }
    let twice = r#"{"a":{"b":[1]},"a":{}}"#;
    assert_eq!(
        error(".a.b[]", twice),
        "JSON, row 2, byte 15: a field on the path .a.b occurs twice"
    );
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let limits = DecodeLimits {
        row: 10,
        document: 20,
    };
    let format = BodyFormat {
        limits,
        ..BodyFormat::default()
    };
    let error = |body: &str| {
        outcome(&format, Some(&list(".a[]")), [body.as_bytes()])
            .error
            .unwrap()
            .to_string()
    };
    assert_eq!(
        error(r#"{"a":[1,"123456789"]}"#),
        "JSON, row 2, byte 8: an element of the list is longer than 10 bytes"
    );
    assert_eq!(
        error(r#"{"a":[1,2,3,4,5,6,7,8],"b":"1234567890"}"#),
        "JSON, row 9, byte 35: what stands around the list is longer than 20 bytes"
    );
    let bomb = format!("[{}", "[".repeat(100_000));
    let read = streamed(".[]", &bomb);
    assert!(
        read.error
            .unwrap()
            .to_string()
            .contains("the rest of an element")
    );
    let bomb = format!("[{}{}]", "[".repeat(1000), "]".repeat(1000));
    assert!(
        streamed(".[]", &bomb)
            .error
            .unwrap()
            .to_string()
            .contains("nested deeper than 128 levels")
    );
}

#[test]
fn the_rows_are_those_of_jq() {
    let (mut found, mut refused) = (0, 0);
    for expression in [".[]", ".a[]", ".a.b[]", ".b[]?", ".a.b.a[]?"] {
        let compiled = Expression::compile(expression).unwrap();
        for seed in 0..3000 {
            let body = value(&mut Rng::with_seed(seed), 4);
            let jq = compiled.outputs(read(body.as_bytes()).unwrap(), &Variables::default());
            let streamed = streamed(expression, &body);
            match jq {
                Ok(rows) => {
                    let rows: Vec<String> = rows.iter().map(|row| write(row).unwrap()).collect();
                    assert_eq!(
                        (streamed.error, &streamed.rows),
                        (None, &rows),
                        "{expression} {body}"
                    );
                    found += rows.len();
                }
                Err(_) => {
                    assert!(streamed.error.is_some(), "{expression} {body}");
                    refused += 1;
                }
            }
        }
    }
    assert!(found > 1000 && refused > 1000, "{found} {refused}");
}

#[test]
fn what_is_left_for_each_row_gives_what_the_whole_expression_gives() {
    let document = r#"{"a":[{"b":[1,2],"c":true},{"b":[],"c":true},{"b":[3],"c":false}]}"#;
    for expression in [
        ".a[]",
        ".a[] | select(.c)",
        ".a[]|.b[]",
        ".a[] | .b[], .c",
        ".a[]? | {b} | .b",
    ] {
        let outputs = |source: &str, input: &str| -> Vec<String> {
            let expression = Expression::compile(source).unwrap();
            let outputs = expression
                .outputs(read(input.as_bytes()).unwrap(), &Variables::default())
                .unwrap();
            outputs
                .iter()
                .map(|output| write(output).unwrap())
                .collect()
        };
        let (_, each) = row_path(expression).unwrap();
        let rows = streamed(expression, document).rows;
        let by_row: Vec<String> = rows.iter().flat_map(|row| outputs(each, row)).collect();
        assert_eq!(by_row, outputs(expression, document), "{expression}");
    }
}

/// A JSON text whose objects have the fields `a`, `b` and `c`, each once or not at all.
fn value(rng: &mut Rng, depth: usize) -> String {
    let space = [" ", "", "", "\n"][rng.usize(0..4)];
    let inner = |rng: &mut Rng| value(rng, depth - 1);
    let text = match rng.u8(if depth == 0 { 0..4 } else { 0..10 }) {
        0 => "null".into(),
        1 => "1.50".into(),
        2 => r#""]},[\"a\\""#.into(),
        3 => "[]".into(),
        4 | 5 => {
            let items: Vec<String> = (0..rng.usize(0..4)).map(|_| inner(rng)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let names: Vec<&str> = ["a", "b", "c"]
                .into_iter()
                .filter(|_| rng.u8(0..4) > 0)
                .collect();
            let fields: Vec<String> = names
                .iter()
                .map(|name| format!("\"{name}\":{}", inner(rng)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    };
    format!("{space}{text}{space}")
}
