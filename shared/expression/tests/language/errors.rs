//! Errors name the place, the field, what was expected and what came, by its type.

use pomost_expression::{Expression, ExpressionPlace, Variables, read};

use crate::fails;

const RECORD: &str = r#"{"name":"geheim","n":1,"lines":[{"q":"1"},{"q":"geheim"}]}"#;

fn place(source: &str) -> String {
    fails(source, RECORD).place.unwrap_or_default()
}

fn pointer(source: &str) -> String {
    fails(source, RECORD).pointer.unwrap_or_default()
}

#[test]
fn an_error_names_the_line_and_column_of_what_raised_it() {
    assert_eq!(place(".name | tonumber"), "line 1, column 9");
    assert_eq!(
        place("{\n  ok: .n,\n  bad: (.name | tonumber)\n}"),
        "line 3, column 17"
    );
    assert_eq!(place(".n | .[0]"), "line 1, column 6");
    assert_eq!(place(".n | .a.b"), "line 1, column 6");
    assert_eq!(place(". as [$a] | $a"), "line 1, column 7");
    assert_eq!(place("[.n, (.name + .n)]"), "line 1, column 7");
    assert_eq!(
        place("def f: tonumber;\n.n, (.name | f)"),
        "line 1, column 8"
    );
    assert_eq!(
        place("\"ż\" as $x | .name | error($x)"),
        "line 1, column 21"
    );
    let caught = "(.name | try tonumber catch 0), (.name | tonumber? // 0), (.name | tonumber)";
    assert_eq!(place(caught), "line 1, column 68");
}

#[test]
fn an_error_names_the_field_under_construction() {
    assert_eq!(
        pointer("{ok: .n, address: {city: (.name | tonumber)}}"),
        "/address/city"
    );
    assert_eq!(
        pointer("{lines: [.lines[] | {q: (.q | tonumber)}]}"),
        "/lines/1/q"
    );
    assert_eq!(
        pointer("{lines: .lines | map({q: (.q | tonumber)})}"),
        "/lines/1/q"
    );
    assert_eq!(pointer("{a: 1} + {b: (.name | tonumber)}"), "/b");
    assert_eq!(
        pointer("if .n then {b: (.name | tonumber)} else {} end"),
        "/b"
    );
    assert_eq!(
        pointer(".address.city = (.name | tonumber)"),
        "/address/city"
    );
    assert_eq!(pointer(".name |= tonumber"), "/name");
    assert_eq!(
        pointer("{temporary: (.name | tonumber)} | {a: .temporary}"),
        ""
    );
}

#[test]
fn an_error_in_a_file_names_its_place_there() {
    let source = "{\n  bad: (.name | tonumber) }";
    let place_of = |offset| {
        let before = &source[..offset];
        let line = before.matches('\n').count();
        ExpressionPlace {
            offset,
            line: 12 + line,
            column: offset - before.rfind('\n').map_or(0, |place| place + 1) + 5,
        }
    };
    let expression = Expression::compile_in("flows/orders.yaml", source, place_of).unwrap();
    let error = expression
        .outputs(read(RECORD.as_bytes()).unwrap(), &Variables::default())
        .unwrap_err();
    assert_eq!(error.place.as_deref(), Some("flows/orders.yaml:13:21"));
    assert!(
        error.to_string().ends_with(" (flows/orders.yaml:13:21)"),
        "{error}"
    );
}

#[test]
fn what_an_author_gives_to_error_is_there_for_those_who_mask_it() {
    let raised = |source: &str| {
        fails(source, RECORD)
            .raised
            .map(|raised| raised.unmasked().to_owned())
    };
    assert_eq!(
        raised("error(\"no customer \\(.name)\")").as_deref(),
        Some("no customer geheim")
    );
    assert_eq!(raised(".name | error").as_deref(), Some("geheim"));
    assert_eq!(
        raised("{a: error({code: .n})}").as_deref(),
        Some(r#"{"code":1}"#)
    );
    assert_eq!(raised("error(null)").as_deref(), Some("null"));
    assert_eq!(raised(".name | tonumber"), None);
    assert_eq!(raised(".name | .[0]"), None);
}

#[test]
fn an_error_tells_no_value_of_the_record_by_itself() {
    for source in [
        "error(\"no customer \\(.name)\")",
        ".name | error",
        "error({code: .name})",
        ".name[0]",
        ".name.x",
    ] {
        let error = fails(source, RECORD);
        assert!(
            !format!("{error} {error:?}").contains("geheim"),
            "{error:?}"
        );
        assert_ne!(error.message, "the expression raised an error", "{source}");
        assert!(error.place.is_some(), "{source}");
    }
    assert_eq!(
        fails("error(\"no such status\")", RECORD).message,
        "no such status"
    );
    assert_eq!(
        fails("error({code: 1})", RECORD).message,
        "the expression raised an object as its error, not text"
    );
}

#[test]
fn every_error_says_what_was_expected_and_what_came() {
    let message = |source: &str| fails(source, RECORD).message;
    assert_eq!(
        message("{name: (.name | fromdate)}"),
        "expected a time with its offset, such as 2026-11-24T12:00:00Z, found text"
    );
    assert_eq!(
        message(".name | date(.)"),
        "expected a date in the format (text that is not written out)"
    );
    let format = message("\"%E\" as $e | .name | strptime(\"%E\" + $e)");
    assert_eq!(
        format,
        "expected a whole date in the format (text that is not written out)"
    );
    assert_eq!(
        message(".n | ltrimstr(\"a\")"),
        "expected text, and text as its beginning"
    );
    assert_eq!(
        message("\"(\" as $x | .name | test($x)"),
        "invalid regex: Opening parenthesis without closing parenthesis"
    );
    let entries = "expected entries: objects with a key, which is text, and a value";
    assert_eq!(message("[{}] | from_entries"), entries);
    for source in [
        ".name | error",
        ".name | tonumber",
        "\"(?<\" + .name | . as $x | \"\" | test($x)",
    ] {
        assert!(
            !message(source).starts_with("the expression raised an error")
                && !message(source).contains("geheim")
        );
    }
}

#[test]
fn what_gives_an_array_its_items_is_placed_and_no_item_is_to_blame() {
    assert_eq!(
        (
            place("{lines: (.n | map(.a))}"),
            pointer("{lines: (.n | map(.a))}")
        ),
        ("line 1, column 15".into(), "/lines".into())
    );
    assert_eq!(
        (place("1 | map(.)"), pointer("1 | map(.)")),
        ("line 1, column 5".into(), String::new())
    );
    assert_eq!(
        pointer("{lines: (.lines | map(.q | tonumber))}"),
        "/lines/1"
    );
}

#[test]
fn an_error_without_a_word_of_its_own_has_the_place_around_it() {
    assert_eq!(place("-."), "line 1, column 1");
    assert_eq!(place("{ok: .n, bad: (-.)}"), "line 1, column 10");
    assert_eq!(place(".name | .[.]"), "line 1, column 1");
    assert_eq!(place("  repeat(1)"), "line 1, column 3");
    assert_eq!(place(" \"x\" * 1e9"), "line 1, column 2");
}
