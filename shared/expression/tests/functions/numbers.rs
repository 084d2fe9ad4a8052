//! Numbers as people write them, and rounding.

use crate::gives;

#[test]
fn amounts_are_read_as_people_write_them() {
    let cases = [
        ("1 234,56", "1234.56"),
        ("1\u{a0}234,56", "1234.56"),
        ("1\u{202f}234\u{202f}567", "1234567"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
        ("1,234", "1.234"),
        ("1234.50", "1234.50"),
        ("0,00", "0.00"),
        ("-12,5", "-12.5"),
        ("007", "7"),
        (" 5 ", "5"),
    ];
    for (text, number) in cases {
        assert_eq!(
            gives(
                &format!("{text:?} | decimal")
                    .replace("\\u{a0}", "\u{a0}")
                    .replace("\\u{202f}", "\u{202f}")
            )
            .as_deref(),
            Ok(number),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_amount_is_refused() {
    for text in [
        "",
        "brak",
        "12 zl",
        "1 23,4",
        "1,2,3",
        "1 234.567,8 9",
        "--1",
        ",5",
        "5,",
        "1e5",
        "1 2345",
    ] {
        assert!(gives(&format!("{text:?} | decimal")).is_err(), "{text}");
    }
}

#[test]
fn rounding_is_exact_and_writes_all_places() {
    let cases = [
        ("2.675 | round(2)", "2.68"),
        ("-2.675 | round(2)", "-2.68"),
        ("2.685 | round_half_even(2)", "2.68"),
        ("2.695 | round_half_even(2)", "2.70"),
        ("1 | round(2)", "1.00"),
        ("1.5 | round(0)", "2"),
        ("-0.001 | round(2)", "0.00"),
        (
            "99999999999999999999.995 | round(2)",
            "100000000000000000000.00",
        ),
        ("9007199254740993.5 | floor", "9007199254740993"),
        ("9007199254740992.5 | round", "9007199254740993"),
        ("-9007199254740993.5 | ceil", "-9007199254740993"),
        (
            "123456789012345678901234567890 | round",
            "123456789012345678901234567890",
        ),
        ("(2 | sqrt) | round(3)", "1.414"),
        ("(2 | sqrt) | floor", "1"),
        ("2.5 | round", "3"),
        ("-2.5 | round", "-3"),
    ];
    for (source, result) in cases {
        assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
    }
    for source in [
        "1 | round(-1)",
        "1 | round(101)",
        "1 | round(1.5)",
        "1 | round(\"2\")",
        "\"1\" | round(2)",
    ] {
        assert!(gives(source).is_err(), "{source}");
    }
}

#[test]
fn amounts_are_written_as_people_write_them() {
    let cases = [
        (
            r#"1234.5 | format_decimal(2; ","; "\u00a0")"#,
            "\"1\u{a0}234,50\"",
        ),
        (
            r#"1234567890123456789.005 | format_decimal(2; "."; ",")"#,
            r#""1,234,567,890,123,456,789.01""#,
        ),
        (
            r#"-999.999 | format_decimal(2; ","; ".")"#,
            r#""-1.000,00""#,
        ),
        (r#"123 | format_decimal(0; ","; " ")"#, r#""123""#),
        (r#"1234 | format_decimal(0; ","; "")"#, r#""1234""#),
        (r#"0 | format_decimal(2; ","; " ")"#, r#""0,00""#),
        (r#"-0.001 | format_decimal(2; ","; " ")"#, r#""0,00""#),
    ];
    for (source, result) in cases {
        assert_eq!(gives(source).as_deref(), Ok(result), "{source}");
    }
    for source in [
        r#"1 | format_decimal(2; "3"; "")"#,
        r#"1 | format_decimal(2; ""; "")"#,
        r#""1" | format_decimal(2; ","; "")"#,
    ] {
        assert!(gives(source).is_err(), "{source}");
    }
}
