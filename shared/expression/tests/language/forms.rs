//! The forms of the language.

use pomost_expression::Expression;

use crate::{fails, gives};

#[test]
fn patterns_destructure_and_refuse_what_has_another_shape() {
    assert_eq!(
        gives(". as [$a, {b: [$c]}] | [$a, $c]", r#"[1,{"b":[2]}]"#),
        "[1,2]"
    );
    assert_eq!(
        gives(". as {$a, b: [$c]} | [$a, $c]", r#"{"a":1}"#),
        "[1,null]"
    );
    assert_eq!(
        gives(". as {$a: [$first]} | [$a, $first]", r#"{"a":[3,4]}"#),
        "[[3,4],3]"
    );
    assert_eq!(
        gives(". as {(\"a\", \"b\"): $x} | $x", r#"{"a":1,"b":2}"#),
        "1 2"
    );
    assert_eq!(
        fails(". as [$a] | $a", "{}").message,
        "cannot index object with number"
    );
    assert_eq!(
        fails(". as {$a} | $a", "[]").message,
        r#"cannot index array with "a""#
    );
}

#[test]
fn of_alternative_patterns_the_first_that_raises_no_error_is_taken() {
    let rows = r#"[{"id":1,"tags":["x"]},[2,"y"],"z"]"#;
    let alternatives = "[.[] | . as {$id, tags: [$tag]} ?// [$id, $tag] ?// $tag | [$id, $tag]]";
    assert_eq!(gives(alternatives, rows), r#"[[1,"x"],[2,"y"],[null,"z"]]"#);
    let body = ". as [$a] ?// $b | if $a then error(\"no\") else [$a, $b] end";
    assert_eq!(gives(body, "[1]"), "[null,[1]]");
    assert_eq!(
        gives(
            "[.[] as [$a] ?// $a | $a | . as [$b] ?// $b | $b]",
            "[[[1]],[2],3]"
        ),
        "[1,2,3]"
    );
    assert_eq!(
        gives("reduce .[] as [$a] ?// $a (0; . + $a)", "[[1],2]"),
        "3"
    );
    assert_eq!(
        fails(". as [$a] ?// [$b] | $a", "{}").message,
        "cannot index object with number"
    );
}

#[test]
fn a_round_of_a_fold_gives_its_last_output_to_the_next() {
    assert_eq!(
        gives("reduce (1, 2) as $x (0; . + $x, . + 10 * $x)", "null"),
        "30"
    );
    assert_eq!(
        gives(
            "reduce (1, 2, 3) as $x (0; if $x == 2 then empty else . + $x end)",
            "null"
        ),
        "3"
    );
    assert_eq!(
        gives(
            "[foreach (1, 2) as $x (0; . + $x, . + 10; [$x, .])]",
            "null"
        ),
        "[[1,1],[1,10],[2,12],[2,20]]"
    );
    assert_eq!(
        gives(
            "[foreach (1, 2, 3) as $x (0; select($x != 2) + $x)]",
            "null"
        ),
        "[1,3]"
    );
    assert_eq!(
        gives(
            "[foreach .[] as [$a, $b] (0; . + $a; [., $b])]",
            "[[1,2],[3,4]]"
        ),
        "[[1,2],[4,4]]"
    );
    assert_eq!(
        gives(
            "reduce .[] as {(\"a\", \"b\"): $x} (0; . + $x)",
            r#"[{"a":1,"b":2},{"b":4}]"#
        ),
        "7"
    );
    assert_eq!(
        gives(
            "reduce .[] / 2 as $x (0; . + $x), [foreach .[] * 2 as $x (0; . + $x)]",
            "[2,4]"
        ),
        "3 [4,12]"
    );
}

#[test]
fn numbers_may_begin_with_their_point() {
    assert_eq!(
        gives(".5, .25e1, [.5], 1 + .5, ([7] | .[.5])", "null"),
        "0.5 0.25e1 [0.5] 1.5 7"
    );
    assert!(Expression::compile(".a.5").is_err());
}

#[test]
fn arguments_are_there_as_values_and_as_functions() {
    assert_eq!(gives("def f($a): [$a, a]; f(. + 1)", "1"), "[2,2]");
    assert_eq!(
        gives("def f(g; $a): 10 | [g, $a, a]; f(. + 1; . * 2)", "1"),
        "[11,2,20]"
    );
    assert_eq!(
        gives("def f($a; $b): $a + $b; [f(1, 2; 10, 20)]", "null"),
        "[11,21,12,22]"
    );
}

#[test]
fn definitions_of_one_name_are_told_apart() {
    assert_eq!(
        gives("def f: 1; def g: def f: 2; f; [f, g]", "null"),
        "[1,2]"
    );
    assert_eq!(gives("def f(f): [f]; f(1), (def f: 3; f)", "null"), "[1] 3");
    assert_eq!(gives("def f: 1; def f(a): f + a; f(2)", "null"), "3");
    for source in [
        "def f: 1 + f; f",
        "def f(g): g | f(g); f(1)",
        "def f: [.[] | f]; f",
    ] {
        assert!(
            Expression::compile(source)
                .unwrap_err()
                .message
                .contains("calls itself"),
            "{source}"
        );
    }
}

#[test]
fn keywords_are_names_of_fields_as_well() {
    let record = r#"{"if":1,"and":2,"reduce":3,"as":4,"def":5}"#;
    assert_eq!(
        gives("[.if, .and, .reduce, .as, .def]", record),
        "[1,2,3,4,5]"
    );
    assert_eq!(
        gives("{if: .as, and, reduce: 1, as: 2}", record),
        r#"{"if":4,"and":2,"reduce":1,"as":2}"#
    );
    assert_eq!(gives(". as {as: $x, if: $y} | [$x, $y]", record), "[4,1]");
}

#[test]
fn the_line_of_an_expression_is_known() {
    assert_eq!(
        gives("1 |\n $__loc__, {$__loc__}.__loc__.line", "null"),
        r#"{"file":"<top-level>","line":2} 2"#
    );
}

#[test]
fn keys_that_are_written_out_are_text() {
    for source in [
        "{(1): 2}",
        "{(true): 2}",
        "{(null): 2}",
        ". as {(1): $x} | $x",
    ] {
        let refused = Expression::compile(source).unwrap_err();
        assert!(
            refused.message.contains("the key of a field is text"),
            "{source}: {refused}"
        );
    }
}

#[test]
fn comments_end_with_their_line() {
    assert_eq!(gives("1 # one\n, 2 # and \"two\"", "null"), "1 2");
}
