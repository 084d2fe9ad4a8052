//! Results of expressions, and expressions that are refused.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{read, write};

fn run(source: &str, input: &str) -> Result<Vec<String>, EvaluationError> {
    let expression = Expression::compile(source).unwrap();
    let outputs = expression.outputs(read(input.as_bytes()).unwrap(), &Variables::default())?;
    Ok(outputs
        .iter()
        .map(|output| write(output).unwrap())
        .collect())
}

fn refusal(source: &str) -> CompileError {
    Expression::compile(source).expect_err(source)
}

#[test]
fn numbers_cross_digit_for_digit() {
    let input =
        r#"{"price":1.10,"id":9007199254740993,"big":123456789012345678901234567890,"e":1E+2}"#;
    assert_eq!(run(".", input).unwrap(), [input]);
    assert_eq!(
        run(".price, .id", input).unwrap(),
        ["1.10", "9007199254740993"]
    );
}

#[test]
fn no_one_and_several_outputs_are_told_apart() {
    let one = |source: &str| {
        Expression::compile(source)
            .unwrap()
            .one(Value::Null, &Variables::default())
    };
    assert_eq!(write(&one("1").unwrap()).unwrap(), "1");
    assert!(one("empty").unwrap_err().message.contains("found none"));
    assert!(one("1, 2").unwrap_err().message.contains("found 2"));
}

#[test]
fn a_path_is_told_from_what_leaves_something_out() {
    let is_path = |source: &str| Expression::compile(source).unwrap().is_path();
    for path in [
        ".",
        ".[]",
        ".rows[]",
        " .a.b[]?.c ",
        ".[\"a | b\"][]",
        ".groups[].items[]",
    ] {
        assert!(is_path(path), "{path}");
    }
    for other in [
        ".rows[] | select(.a)",
        ".[1:]",
        "..",
        "[.a]",
        ".[.a]",
        ".a, .b",
        "first(.[])",
        ".a[] as $x | $x",
    ] {
        assert!(!is_path(other), "{other}");
    }
}

#[test]
fn an_expression_that_may_have_several_outputs_is_told_from_others() {
    let is_single = |source: &str| {
        Expression::compile(source)
            .unwrap()
            .has_at_most_one_output()
    };
    for single in [
        ".",
        "{ email: (.email | ascii_downcase), name: \"\\(.first) \\(.last)\" }",
        "select(.active) | { key, n: (.n // 0) }",
        ". as { a: $x, $y } | [.lines[] | .sku] | map(.[]) | { $x, $y, lines: . }",
        "def f($a): $a + 1; def g(h): h | f(2); g(.n)",
        "if .a then . elif .b then empty else error(\"no\") end",
        "reduce .lines[] as $line (0; . + $line.n)",
        ".lines[] |= (.a, .b) | .a.b += 1 | del(.c, .d) | with_entries(.value |= tostring)",
        "try (.a | tonumber) catch null",
        "{ tags: [.tags[]?], first: first(.lines[].n), some: any(.lines[]; .ok) }",
        "def range($n): $n; range(1)",
        "{ name: (.name | gsub(\"[ab]\"; \"\") | sub(\"c\"; \"d\")), id: getpath([\"a\", \"b\"]) }",
    ] {
        assert!(is_single(single), "{single}");
    }
    for several in [
        ".lines[]",
        ".lines[]?",
        "., .",
        "{ key, line: .lines[] }",
        ".lines | .[] | { n }",
        "range(.n)",
        ". as $row | range(.n) | { key: $row.key }",
        "select(.a, .b)",
        "\"\\(1, 2)\"",
        ".a = (1, 2)",
        "..",
        "def f: .[]; f",
        "def map(f): .[] | f; map(.a)",
        "def f(g): g; f(.[])",
        "if .a then .b[] else . end",
        "foreach .[] as $x (0; . + $x)",
        ". as [$a, {(\"x\", \"y\"): $b}] | $b",
        "limit(2; repeat(.))",
        ".[(0, 1)]",
    ] {
        assert!(!is_single(several), "{several}");
    }
}

#[test]
fn an_error_after_an_output_is_an_error_of_the_whole() {
    assert!(run("1, error(\"no\")", "null").is_err());
}

#[test]
fn only_the_variables_of_flows_are_known() {
    assert!(
        Expression::compile("[$key, $version, $op, $id, $cursor, $page, $flow, $run, $headers]")
            .is_ok()
    );
    let refused = refusal(". | $kye");
    assert_eq!(
        (refused.offset, refused.help.as_deref()),
        (4, Some("did you mean '$key'?"))
    );
}

#[test]
fn a_variable_has_the_value_it_is_given() {
    let variables = Variables {
        key: Value::from("k".to_owned()),
        ..Variables::default()
    };
    let expression = Expression::compile("[$key, $id]").unwrap();
    assert_eq!(
        write(&expression.one(Value::Null, &variables).unwrap()).unwrap(),
        r#"["k",null]"#
    );
    assert!(expression.uses_variable("id") && !expression.uses_variable("run"));
}

#[test]
fn what_reaches_outside_a_record_is_not_there() {
    for source in [
        "env",
        "$ENV",
        "input",
        "inputs",
        "halt",
        "halt_error",
        "debug",
        "stderr",
        "now",
        "import \"a\" as a; .",
    ] {
        assert!(Expression::compile(source).is_err(), "{source}");
    }
}

#[test]
fn a_mistake_is_placed_and_a_near_name_is_proposed() {
    let refused = refusal("{a: .b | downcsae}");
    assert_eq!(
        (refused.offset, refused.help.as_deref()),
        (9, Some("did you mean 'downcase'?"))
    );
    assert_eq!(refusal("{a: }").offset, 4);
    assert_eq!(refusal(".a | (.b").offset, 5);
}

#[test]
fn an_expression_cannot_call_itself() {
    for source in [
        "expression",
        "expression_",
        "{a: expression, b: expression_}",
        "def f: expression; f",
    ] {
        assert!(Expression::compile(source).is_err(), "{source}");
    }
    assert_eq!(run("def expression: 1; expression", "null").unwrap(), ["1"]);
}

#[test]
fn a_definition_that_calls_itself_is_refused() {
    let own = [
        "def f: 1 + f; f",
        "def f: def g: f; g; f",
        "def f: def g: g; g; f",
    ];
    for source in own.into_iter().chain([
        "def f: {f: f}; f",
        "def f: {(f): 1}; f",
        "def f: \"\\(f)\"; f",
    ]) {
        assert!(refusal(source).message.contains("calls itself"), "{source}");
    }
    for source in [
        "def a: 1; def b: a; b + a",
        "def f: .f; f",
        "def f: {f: 1, g: .f}; f",
        "def f: 1; def g: def f: 2; f; g",
        "def f: def f: 3; f; f",
        "def f(f): f; f(1)",
    ] {
        assert!(Expression::compile(source).is_ok(), "{source}");
    }
}

#[test]
fn many_definitions_are_followed_quickly() {
    let next = |number: i32| format!("def f{}: f{number} + f{number};", number + 1);
    let source = format!("def f0: 1; {} f0", (0..60).map(next).collect::<String>());
    assert!(Expression::compile(&source).is_ok());
}

#[test]
fn deep_nesting_is_refused_before_it_overflows_the_stack() {
    assert!(refusal(&"(".repeat(200_000)).message.contains("nested"));
    assert!(refusal(&"\"\\(".repeat(200_000)).message.contains("nested"));
}

#[test]
fn errors_name_types_and_never_values() {
    let input = r#"{"a":"geheim","b":[1,2],"c":null}"#;
    let message = |source: &str| run(source, input).unwrap_err().message;
    assert_eq!(message(".a | .x"), "cannot index text with \"x\"");
    assert_eq!(message(".a + 1"), "cannot calculate text + number");
    assert_eq!(
        message(".b | ascii_downcase"),
        "cannot use an array as string"
    );
    assert_eq!(message("error(\"no such status\")"), "no such status");
    for source in [
        "error(.a)",
        ".b | error",
        ".a | tonumber",
        ".a | fromjson",
        ".a | todate",
        ".a as $format | \"1\" | date($format)",
        "error(\"\\u0001\" + .a)",
        ".a as $x | {} | .[$x]?, error",
    ] {
        assert!(
            !message(source).contains("geheim"),
            "{source}: {}",
            message(source)
        );
    }
}

#[test]
fn the_field_that_fails_is_pointed_at() {
    let pointer = |source: &str| run(source, r#"{"a":"x","n":1}"#).unwrap_err().pointer;
    assert_eq!(
        pointer("{ok: .n, bad: (.a | tonumber)}").as_deref(),
        Some("/bad")
    );
    assert_eq!(
        pointer("def f: tonumber; .a as $a | {n, \"in/ner\": {deep: ($a | f)}}").as_deref(),
        Some("/in~1ner/deep")
    );
    assert_eq!(pointer(".a | tonumber"), None);
    assert_eq!(pointer("(.a | tonumber) as $a | {n, $a}"), None);
}

#[test]
fn a_conversion_that_does_not_convert_is_an_error() {
    for input in [
        "\"12,5\"",
        "\"12 zl\"",
        "\"0x10\"",
        "\"\"",
        "\"NaN\"",
        "\" 1\"",
        "null",
        "[]",
    ] {
        assert!(run("tonumber", input).is_err(), "{input}");
    }
    assert_eq!(run("tonumber", "\"1.10\"").unwrap(), ["1.10"]);
    assert_eq!(
        run("tonumber", "\"9007199254740993\"").unwrap(),
        ["9007199254740993"]
    );
}

#[test]
fn endless_outputs_are_cut_off() {
    assert!(
        run("repeat(1)", "null")
            .unwrap_err()
            .message
            .contains("outputs")
    );
}
