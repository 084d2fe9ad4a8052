//! Programs that jq refuses are refused, also within the functions of its standard library.

use super::{fails, gives};

#[test]
fn a_function_that_takes_arrays_does_not_take_an_object_for_an_empty_one() {
    for source in [
        r#"{"a":1} | first"#,
        r#"{"a":1} | last"#,
        r#"[{"a":1}] | map(first)"#,
        r#"[{"a":1}] | transpose"#,
        r#"{"a":1} | JOIN({}; .)"#,
        "{} | path(first)",
    ] {
        assert!(fails(source, "null").message.contains("index"), "{source}");
    }
    assert_eq!(
        gives(
            r#"first, last, path(first), ([., [3]] | transpose)"#,
            "[1,2]"
        ),
        "1 2 [0] [[1,3],[2,null]]"
    );
    assert_eq!(
        gives(
            r#"first, last, rindex("a"), index("a"), indices("a")"#,
            "null"
        ),
        "null null null null null"
    );
    assert_eq!(gives("indices([]), rindex([])", "[1]"), "[] null");
}

#[test]
fn the_ends_of_a_range_are_numbers() {
    for source in [
        "range(null)",
        "range(3; null)",
        "range(true)",
        "range(\"3\")",
        "range(null; 3)",
    ] {
        let error = fails(&format!("[{source}]"), "null");
        assert_eq!(
            error.message, "expected numbers for the ends of a range",
            "{source}"
        );
    }
    assert_eq!(
        gives("[range(0, 1; 3, 4)]", "null"),
        "[0,1,2,0,1,2,3,1,2,1,2,3]"
    );
    assert_eq!(
        gives(
            "[range(2)], [range(1, 2)], [range(0; 5; 2)], [range(5; 0; -2)]",
            "null"
        ),
        "[0,1] [0,0,1] [0,2,4] [5,3,1]"
    );
}

#[test]
fn a_slice_has_both_ends() {
    for source in [
        r#".[{"x":1}]"#,
        ".[{}]",
        r#".[{"start":1}]"#,
        r#".[{"end":1}]"#,
        r#"getpath([{"start":0}])"#,
    ] {
        assert_eq!(
            fails(source, "[1]").message,
            "expected numbers or null for the ends of a part",
            "{source}"
        );
    }
    assert_eq!(
        gives(r#".[{"start":1,"end":null}], .[1:], .[:1]"#, "[1,2]"),
        "[2] [2] [1]"
    );
}

#[test]
fn half_of_a_surrogate_pair_is_not_lost() {
    let escaped =
        r#""\ud83d\ude00", "a\uD83D\uDE00b\(1)\ud83d\ude00", "\\ud83d", {"\ud83d\ude00": 1}"#;
    assert_eq!(
        gives(escaped, "null"),
        r#""😀" "a😀b1😀" "\\ud83d" {"😀":1}"#
    );
    let lone = r#""\ud83d", "\ude00x", "\ud83d\u0041", "\ud83d\ud83d\ude00", "\ude00\ud83d""#;
    assert_eq!(gives(lone, "null"), r#""�" "�x" "�A" "�😀" "��""#);
    let private =
        r#""\ue03d\ue600" == ("\uE03D\uE600", ([57405, 58880] | implode)), "\(" \ud83d\ude00 ")""#;
    assert_eq!(gives(private, "null"), r#"true true " 😀 ""#);
    assert_eq!(
        gives(
            r#". as {"\ud83d\ude00": $x} | $x, ."\ud83d\ude00""#,
            r#"{"😀":1}"#
        ),
        "1 1"
    );
}
