//! Expressions without end or measure are ended, in good time and with an error that names the
//! bound.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use pomost_expression::{EvaluationError, Expression, Value, Variables, read};

/// The longest time that one program may take on the slowest machine that runs the tests.
const PATIENCE: Duration = Duration::from_secs(120);

fn run(source: &str, input: &str) -> Result<Vec<Value>, EvaluationError> {
    let expression =
        Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let begin = Instant::now();
    let outcome = expression.outputs(read(input.as_bytes()).unwrap(), &Variables::default());
    assert!(
        begin.elapsed() < PATIENCE,
        "{source}: {:?}",
        begin.elapsed()
    );
    outcome
}

fn refusal(source: &str) -> String {
    run(source, "null").expect_err(source).message
}

#[test]
fn what_has_no_end_is_ended_by_its_steps_or_its_time() {
    let error = refusal("repeat(empty)");
    assert!(
        error.contains("more than 5000000 steps") || error.contains("longer than 5 s"),
        "{error}"
    );
}

#[test]
fn many_outputs_are_cut_off() {
    assert_eq!(refusal("repeat(1)"), "more than 100000 outputs");
}

#[test]
fn a_text_that_grows_is_ended_by_its_length() {
    for source in [
        r#""x" * 1000000000"#,
        r#"reduce range(60) as $i ("x"; . + .)"#,
        r#"reduce range(60) as $i ("x"; "\(.)\(.)")"#,
        r#"reduce range(60) as $i ("\\"; tojson)"#,
        r#"reduce range(60) as $i ("\\"; @json)"#,
        r#"reduce range(200) as $i ("x"; @base64)"#,
        r#"reduce range(60) as $i ("x"; [., .] | add)"#,
        r#"reduce range(60) as $i ("x"; [., .] | join("-"))"#,
        r#"last("x" | recurse(. + .))"#,
        r#""x" | until(false; . + .)"#,
    ] {
        assert_eq!(
            refusal(source),
            "the expression makes a text longer than 16 MiB",
            "{source}"
        );
    }
}

#[test]
fn an_array_that_grows_is_ended_by_its_items() {
    for source in [
        "reduce range(60) as $i ([1]; . + .)",
        r#""x" * 8000000 / """#,
    ] {
        assert_eq!(
            refusal(source),
            "the expression makes an array of more than 5000000 items",
            "{source}"
        );
    }
}

#[test]
fn a_value_that_is_small_in_memory_alone_is_not_gone_through() {
    let doubled = "reduce range(60) as $i (1; [., .])";
    for what in ["", "| . == 1"] {
        let error = refusal(&format!("{doubled} {what}"));
        assert!(error.contains("larger than 128 MiB"), "{what}: {error}");
    }
}

#[test]
fn what_goes_along_paths_is_counted() {
    for source in [
        "[range(1000)] | [range(100000) as $i | .[1:]]",
        "[range(1000)] | [range(100000) as $i | getpath([range(3) | {start: 1, end: null}])]",
        "[range(1000) | null | .[100000] = 1]",
        "[range(100000)] | [range(100) as $i | .[[range(1000)]]]",
        "[range(10000)] | [range(100000) as $i | del(.[$i:])]",
    ] {
        assert_eq!(
            refusal(source),
            "the expression takes more than 5000000 steps",
            "{source}"
        );
    }
    let deep = "reduce range(100000) as $i (0; . as $v | setpath([range(100) | \"a\"]; $v))";
    assert!(refusal(&format!("{deep} | .")).contains("cannot index number"));
    let deep = "reduce range(100000) as $i (0; . as $v | null | setpath([range(100) | 0]; $v))";
    assert!(refusal(deep).contains("nested deeper than 128 levels"));
    let deep = "reduce range(100000) as $i (0; . as $v | null | .a.b.c.d.e.f.g = $v)";
    assert!(refusal(deep).contains("nested deeper than 128 levels"));
}

#[test]
fn as_much_as_records_have_is_updated_and_deleted_in_good_time() {
    let lines = "[range(10000) | {sku: tostring, qty: .}]";
    for source in [
        "(.[].qty |= . + 1) | length",
        "map_values(.qty += 1 | .note.text = \"x\") | length",
        "del(.[] | select(.qty % 2 == 0)) | length * 2",
        "delpaths([paths(type == \"number\")]) | length",
        "reduce range(10000) as $i (.; .[$i].qty = $i) | length",
    ] {
        assert_eq!(
            run(&format!("{lines} | {source}"), "null").unwrap(),
            [Value::from(10_000_usize)],
            "{source}"
        );
    }
}

#[test]
fn a_number_that_grows_is_ended_by_its_digits() {
    for source in [
        "reduce range(60) as $i (3; . * .)",
        "reduce range(60) as $i (1.5; . * .)",
    ] {
        assert!(refusal(source).contains("at most 1000 digits"), "{source}");
    }
}

#[test]
fn a_value_that_is_nested_ever_deeper_is_ended_by_its_depth() {
    for source in [
        "reduce range(129) as $i (0; [.])",
        "reduce range(1000000) as $i (0; [.])",
        "reduce range(1000000) as $i ({}; {a: .})",
        "reduce range(1000000) as $i ([]; [., $i])",
        "reduce range(1000000) as $i ([]; [$i, [1, 2, 3], .])",
        "reduce range(1000000) as $i ({}; .a = .)",
        "[foreach range(1000000) as $i (0; [.]; length)]",
        "[range(1000000)] as $path | reduce $path[] as $p ({}; {a: ., b: [$path | length]})",
        "reduce range(1000000) as $i (0; DEEPER)",
        "last(recurse([.]))",
        "0 | until(false; [.])",
        "last(0 | while(true; [.]))",
        "reduce range(1000000) as $i (0; [.]) | length",
        "reduce range(300) as $i (0; [.]) | tojson",
        "reduce range(300) as $i (0; [.]) | . == 1",
        "reduce range(300) as $i (0; [.]) | [..]",
        "reduce range(300) as $i (0; [.]) | flatten(1000)",
        "reduce range(300) as $i (0; [.]) | flatten",
        "reduce range(20) as $i ([[1]]; walk([.]))",
    ] {
        let error = refusal(&source.replace(
            "DEEPER",
            &format!("{}.{}", "[".repeat(120), "]".repeat(120)),
        ));
        assert!(
            error.contains("nested deeper than 128 levels"),
            "{source}: {error}"
        );
    }
    assert!(run("reduce range(128) as $i (0; [.])", "null").is_ok());
}

#[test]
fn a_hostile_text_does_not_make_a_good_mapping_endless() {
    let text = format!("{:?}", "a1 ".repeat(100_000));
    for source in [
        r#"gsub("[^0-9]"; "")"#,
        r#"split(" ") | join("")"#,
        r#"test("(a+)+$")"#,
        "explode | implode",
        "digits",
        "slug",
        "decimal",
    ] {
        match run(source, &text) {
            Ok(outputs) => assert_eq!(outputs.len(), 1, "{source}"),
            Err(error) => assert!(!error.message.contains("a1"), "{source}: {error}"),
        }
    }
}

#[test]
fn a_regex_is_ended_before_or_while_it_is_searched_for() {
    let error = refusal(r#""a" * 400000 | test("(a?){5000}b")"#);
    assert_eq!(error, "the expression takes more than 5000000 steps");
    // Each search goes through all that is left.
    let error = refusal(r#""a" * 200000 | [scan("a*b|a")] | length"#);
    assert!(error.contains("longer than 5 s"), "{error}");
}

#[test]
fn regexes_of_common_size_go_through_long_texts() {
    let address = r"^[\\w.+-]{1,64}@[\\w-]{1,63}([.][\\w-]{1,63}){1,8}$";
    for (source, length) in [
        (r#"test("^[A-Za-z0-9+/]*=*$")"#.to_owned(), 4_000_000),
        (
            r#"gsub("[^0-9 ]+"; "") | length == 0"#.to_owned(),
            1_000_000,
        ),
        (format!(r#"test("{address}") | not"#), 10_000),
    ] {
        let outputs = run(&source, &format!("{:?}", "a".repeat(length))).unwrap();
        assert_eq!(outputs, [Value::from(true)], "{source}");
    }
}

#[test]
fn no_definition_takes_the_place_of_a_check() {
    let own = "def step: 1; def made: 2; def weighed: 3; def as_text: 4; def unchecked_sort: 5;";
    let outputs = run(
        &format!("{own} [[2, 1] | sort[] | step, made, weighed, as_text]"),
        "null",
    )
    .unwrap();
    assert_eq!(
        pomost_expression::write(&outputs[0]).unwrap(),
        "[1,2,3,4,1,2,3,4]"
    );
    assert!(refusal(&format!("{own} reduce range(200) as $i (0; [.])")).contains("nested deeper"));
}

#[test]
fn a_regex_from_a_record_is_refused_before_it_is_read_where_it_is_too_long() {
    for regex in [
        r#""[" + ("a" * 10000000) + "]""#,
        r#""a" * 70000"#,
        r#""(?=" + ("a" * 70000) + ")""#,
    ] {
        let error = refusal(&format!("({regex}) as $regex | \"x\" | test($regex)"));
        assert!(error.starts_with("invalid regex"), "{regex}: {error}");
    }
    for regex in [
        r#""[" + ("a" * 60000) + "]""#,
        r#""\\w" * 30000"#,
        r#""\\p{L}" * 12000"#,
    ] {
        for flags in ["null", "\"i\""] {
            let _ = run(
                &format!("({regex}) as $regex | \"x\" | test($regex; {flags})"),
                "null",
            );
        }
    }
}

#[test]
fn an_array_that_is_searched_for_takes_its_steps_first() {
    for source in [
        "[range(1e6) | 0] | .[[range(5e5) | 0]]",
        "[range(1e6) | 0] | getpath([[range(5e5) | 0]])",
    ] {
        assert_eq!(
            refusal(source),
            "the expression takes more than 5000000 steps",
            "{source}"
        );
    }
}

#[test]
fn a_number_of_very_many_digits_is_not_read() {
    for source in [
        r#""1" * 1000000 | tonumber"#,
        r#""1" * 1000000 | fromjson"#,
        r#""1" * 1000000 | decimal"#,
    ] {
        refusal(source);
    }
    assert!(read("1".repeat(3_000_000).as_bytes()).is_err());
    assert!(refusal("1e1000 * 1e1000").contains("at most 1000 digits"));
    let digits = format!("{:?}", "1".repeat(3_000_000));
    assert_eq!(
        run("length", &digits).unwrap(),
        [Value::from(3_000_000_usize)]
    );
}

#[test]
fn a_text_that_becomes_longer_is_ended_by_its_length() {
    for source in [
        r#""<" * 10000000 | @html"#,
        r#""ż" * 8000000 | @uri"#,
        r#""a" * 16000000 | @base64"#,
        r#""\u0000" * 10000000 | tojson"#,
        r#""ﷺ" * 4000000 | unaccent"#,
        r#""ŉ" * 8000000 | upcase"#,
        r#"@html "\("<" * 10000000)""#,
    ] {
        assert_eq!(
            refusal(source),
            "the expression makes a text longer than 16 MiB",
            "{source}"
        );
    }
    let error = refusal(r#""a" * 10000000 | explode"#);
    assert_eq!(
        error,
        "the expression makes an array of more than 5000000 items"
    );
    refusal(r#"1e999 | format_decimal(2; ","; "'" * 10000000)"#);
    refusal(r#"0 | strftime("%c" * 5000000)"#);
}
