//! How operators are grouped, and in which order several outputs meet.

use crate::{fails, gives};

#[test]
fn operators_are_grouped_as_jq_groups_them() {
    assert_eq!(
        gives("2 * 3 % 4, 2 * (3 % 4), 8 / 4 % 2, 1 - 2 - 3", "null"),
        "2 6 0 -4"
    );
    assert_eq!(
        gives("(.a = .b // 1), (.a = (.b // 1))", "{}"),
        r#"{"a":null} {"a":1}"#
    );
    assert_eq!(gives("false, null // 1, 2", "null"), "false 1 2");
    assert_eq!(gives("1 + 2 as $x | $x * 2", "null"), "6");
    assert_eq!(gives("1, 2 as $x | $x * 2", "null"), "1 4");
    assert_eq!(
        gives(
            "true or false and false, (1 < 2) == true, -1 + 3, . * -1",
            "4"
        ),
        "true true 2 -4"
    );
    assert_eq!(
        gives(
            "def f: . + 1; 1 | f | f as $x | [$x, .], \"\\((1, 2) * 10)\"",
            "null"
        ),
        r#"[3,2] "10" "20""#
    );
}

#[test]
fn of_several_operands_the_right_ones_go_round_most_slowly() {
    assert_eq!(gives("[(1, 2) + (10, 20)]", "null"), "[11,12,21,22]");
    assert_eq!(
        gives("[(1, 2) < (1, 2)]", "null"),
        "[false,false,true,false]"
    );
    assert_eq!(
        gives("[\"\\(1, 2)-\\(3, 4)\"]", "null"),
        r#"["1-3","2-3","1-4","2-4"]"#
    );
    assert_eq!(gives("[[1, 2][0, 1, -1]]", "null"), "[1,2,2]");
}

#[test]
fn a_text_is_repeated_as_often_as_a_whole_number_says() {
    assert_eq!(
        gives("[.[] * \"ab\"]", "[-1,0,0.5,1.9,2]"),
        r#"[null,"","","ab","abab"]"#
    );
}

#[test]
fn what_cannot_be_calculated_with_is_named_by_its_type() {
    let record = r#"{"secret":"geheim","n":1}"#;
    for (source, message) in [
        (".secret + .n", "cannot calculate text + number"),
        (".n - {}", "cannot calculate number - object"),
        (".secret / 2", "cannot calculate text / number"),
        ("[] % 2", "cannot calculate array % number"),
        ("-.secret", "cannot calculate -text: expected a number"),
        (".n / 0", "expected a divisor other than 0"),
        (".n % 0", "expected a divisor other than 0"),
        ("{(.n): 1}", "cannot name a field by number: expected text"),
    ] {
        assert_eq!(fails(source, record).message, message, "{source}");
    }
}

#[test]
fn errors_that_are_caught_are_in_jqs_words() {
    assert_eq!(
        gives("try (. - 1) catch .", r#""abc""#),
        r#""string (\"abc\") and number (1) cannot be subtracted""#
    );
    assert_eq!(
        gives("try .[0] catch .", "{}"),
        r#""Cannot index object with number (0)""#
    );
    assert_eq!(
        gives("try .a catch .", "7"),
        r#""Cannot index number with string (\"a\")""#
    );
    assert_eq!(
        gives("try .[] catch .", "7"),
        r#""Cannot iterate over number (7)""#
    );
    assert_eq!(gives("try error(null) catch .", "7"), "null");
    assert_eq!(gives("try error({code: 1}) catch .code", "7"), "1");
}
