//! Arithmetic is exact, wherever its operators stand, and bounded.

use crate::{gives, run};

#[test]
fn decimals_are_calculated_with_digit_for_digit() {
    let cases = [
        ("1.10 + 2.20", "3.3"),
        ("0.1 + 0.2", "0.3"),
        ("1.1 * 100", "110"),
        ("19.99 * 3", "59.97"),
        ("1.0 - 0.9", "0.1"),
        ("9007199254740993 + 0.5", "9007199254740993.5"),
        ("9007199254740993 * 1.0", "9007199254740993"),
        ("12345678901234567890.12 + 0.01", "12345678901234567890.13"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("5.5 % 2", "1.5"),
        ("-5.5 % 2", "-1.5"),
        ("1e2 + 0", "100"),
        ("-(1.10)", "-1.10"),
        ("[1.10, 2.20, 3] | add", "6.3"),
        ("add(0.1, 0.2)", "0.3"),
        ("reduce (0.1, 0.2) as $x (0; . + $x)", "0.3"),
    ];
    for (source, result) in cases {
        assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
    }
}

#[test]
fn a_quotient_is_exact_where_it_has_an_end() {
    let cases = [
        ("4 / 2", "2"),
        ("7 / 2", "3.5"),
        ("0.3 / 0.1", "3"),
        ("10.00 / 4", "2.5"),
        ("1 / 1024", "0.0009765625"),
        ("9007199254740993 / 1", "9007199254740993"),
        (
            "12345678901234567890123456789012345678901234567890 / 2",
            "6172839450617283945061728394506172839450617283945",
        ),
        ("10 / 3", "3.333333333333333333333333333333333"),
        ("-2 / 3", "-0.6666666666666666666666666666666667"),
        (
            "100000000000000000000000000000000000001 / 3",
            "33333333333333333333333333333333333334",
        ),
        ("(10 / 3) * 3 | round(2)", "10.00"),
    ];
    for (source, result) in cases {
        assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
    }
    for source in ["1 / 0", "1 / 0.0", "1.5 % 0", "1.5 % 0.0"] {
        assert_eq!(
            run(source, "null").unwrap_err(),
            "expected a divisor other than 0",
            "{source}"
        );
    }
    assert!(run("1 % 0", "null").is_err());
}

#[test]
fn decimals_are_compared_digit_for_digit() {
    for source in [
        "1.10 == 1.1",
        "1.0 == 1",
        "0.1 + 0.2 == 0.3",
        "9007199254740993 < 9007199254740993.5",
        "9007199254740992.1 != 9007199254740992.2",
        "1000000000000000000000.01 > 1000000000000000000000.009",
        "1.5 <= 1.50 and 1.5 >= 1.50",
        "1e999999 > 1",
        "1 < \"a\" and 1.5 != null and 1.5 != [1.5]",
        "(2 | sqrt) < 1.5",
    ] {
        assert_eq!(gives(source).as_deref(), Ok("true"), "{source}");
    }
}

#[test]
fn updates_are_exact() {
    assert_eq!(
        run(".a += .b", r#"{"a":1.10,"b":2.20}"#).unwrap(),
        [r#"{"a":3.3,"b":2.20}"#]
    );
    assert_eq!(run(".[] *= 100", "[1.1,2.2]").unwrap(), ["[110,220]"]);
    assert_eq!(
        run(".a -= (1, 0.1)", r#"{"a":1.0}"#).unwrap(),
        [r#"{"a":0}"#, r#"{"a":0.9}"#]
    );
    assert_eq!(
        run(".a /= 3 | .a |= round(2)", r#"{"a":1.0}"#).unwrap(),
        [r#"{"a":0.33}"#]
    );
    assert_eq!(run(".a %= 2", r#"{"a":5.5}"#).unwrap(), [r#"{"a":1.5}"#]);
}

#[test]
fn operators_within_everything_are_exact() {
    for source in [
        "def f($x): $x + 0.2; f(0.1)",
        "[.[] as $x | $x + 0.2] | .[0]",
        "{a: (0.1 + 0.2)}.a",
        "if 0.1 + 0.2 == 0.3 then 0.3 else 0 end",
        "try (0.1 + 0.2) catch 0",
        "[0.1 + 0.2][0]",
        "\"\\(0.1 + 0.2)\" | tonumber",
        "first(0.1 + 0.2)",
        "foreach (0.1, 0.2) as $x (0; . + $x; select(. == 0.3))",
        "label $out | (0.1 + 0.2), break $out",
        "-(0.1 + 0.2) | -.",
        "[9, 0.3] | .[0.1 * 10]",
        "null // (0.1 + 0.2)",
    ] {
        assert_eq!(run(source, "[0.1]").unwrap().concat(), "0.3", "{source}");
    }
}

#[test]
fn what_is_not_numbers_is_jqs() {
    let cases = [
        ("[(1, 2) + (10, 20)]", "[11,12,21,22]"),
        (". + 1", "1"),
        ("\"a\" + \"b\"", "\"ab\""),
        ("[\"a\"] as $a | $a + $a - [\"b\"]", "[\"a\",\"a\"]"),
        (
            "{a: {b: 1}} as $x | {a: {c: 2}} as $y | $x * $y",
            r#"{"a":{"b":1,"c":2}}"#,
        ),
        ("\"a,b\" as $x | \",\" as $y | $x / $y", "[\"a\",\"b\"]"),
        ("\"ab\" as $x | $x * 2", "\"abab\""),
        ("[3, 1.5, 2] | sort", "[1.5,2,3]"),
        ("[1.10, 1.1] | unique | length", "1"),
        ("[limit(2; 5, 6, 7)]", "[5,6]"),
        ("4 | sqrt | . + 1", "3"),
    ];
    for (source, result) in cases {
        assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
    }
    assert_eq!(
        run(". as $x | {} + $x", "\"geheim\"").unwrap_err(),
        "cannot calculate object + text"
    );
    assert_eq!(
        run(". as $x | $x + 1", "\"geheim\"").unwrap_err(),
        "cannot calculate text + number"
    );
    assert!(run("path(.a + .b)", "null").is_err());
}

#[test]
fn text_is_not_multiplied_without_bound() {
    for source in [
        "\"ab\" * .",
        ". * \"ab\"",
        "\"ab\" as $x | . as $y | $x * $y",
        "[\"ab\"] as $x | . as $y | $x | .[0] *= $y",
    ] {
        for times in [
            "9007199254740993",
            "123456789012345678901234567890",
            "8388609",
        ] {
            assert_eq!(
                run(source, times).unwrap_err(),
                "the expression makes a text longer than 16 MiB",
                "{source}"
            );
        }
        assert!(run(source, "8388608").is_ok(), "{source}");
        assert!(run(source, "-9007199254740993").is_ok(), "{source}");
    }
    assert_eq!(run("\"\" * .", "9007199254740993").unwrap(), [r#""""#]);
}

#[test]
fn numbers_of_no_end_of_digits_are_refused_at_once() {
    for number in [
        "1e999999999",
        "-1e-999999999",
        &"9".repeat(4000),
        &format!("0.{}1", "0".repeat(4000)),
    ] {
        for source in [
            ". + 0.5", ". * 1.5", ". / 3", ". % 1.5", "round(2)", "1.5 - .",
        ] {
            let refused = run(source, number).unwrap_err();
            assert_eq!(
                refused, "expected a number of at most 1000 digits",
                "{source}"
            );
        }
        assert!(run(". == 1.5, . < 1.5", number).is_ok());
    }
    assert_eq!(run(". * 1.5", "1e900").unwrap()[0].len(), 901);
}
