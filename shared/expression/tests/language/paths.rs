//! Paths: reading, setting and deleting by them.

use crate::{fails, gives};

const ORDER: &str =
    r#"{"id":7,"lines":[{"sku":"a","qty":2},{"sku":"b","qty":1},{"sku":"c","qty":5}],"note":null}"#;

#[test]
fn a_number_is_looked_up_in_an_array_and_in_nothing_else() {
    assert_eq!(
        gives(".lines[1].sku, .lines[-1].sku, .lines[9]", ORDER),
        r#""b" "c" null"#
    );
    assert_eq!(
        gives(".lines[1.9].sku, .note[3], .note.a.b", ORDER),
        r#""b" null null"#
    );
    assert_eq!(
        fails(".[0]", ORDER).message,
        "cannot index object with number"
    );
    assert_eq!(
        fails(".id[0]", ORDER).message,
        "cannot index number with number"
    );
    assert_eq!(
        fails(".lines[null]", ORDER).message,
        "cannot index array with null"
    );
    assert_eq!(
        gives("[.[0]?, (.id | .[0]?), .lines[0]?.sku]", ORDER),
        r#"["a"]"#
    );
    let computed = ".lines[.lines | length - 1].sku, (.id as $id | .lines[$id - 6].sku)";
    assert_eq!(gives(computed, ORDER), r#""c" "b""#);
}

#[test]
fn slices_are_of_arrays_and_texts_and_there_is_nothing_in_null() {
    assert_eq!(
        gives("[.[1:3], .[-2:], .[:-3], .[9:], .[1.2:2.1]]", r#""żółw""#),
        r#"["ół","łw","ż","","ół"]"#
    );
    assert_eq!(
        gives(
            "map(.qty) | .[1:], .[:1], .[-1:]",
            r#"[{"qty":2},{"qty":1}]"#
        ),
        "[1] [2] [1]"
    );
    assert_eq!(gives(".[1:3], .[1:3]?, [.[]?]", "null"), "null null []");
    assert_eq!(gives("[.[1:]?]", "7"), "[]");
    assert_eq!(
        fails(".[1:]", "{}").message,
        "cannot index object with object"
    );
    assert_eq!(
        fails(r#".["a":]"#, "[]").message,
        "expected numbers or null for the ends of a part"
    );
}

#[test]
fn what_is_absent_on_the_way_is_made() {
    assert_eq!(
        gives(".address.city = \"Łódź\"", "{}"),
        r#"{"address":{"city":"Łódź"}}"#
    );
    assert_eq!(
        gives(".address.city |= (. // \"?\")", "null"),
        r#"{"address":{"city":"?"}}"#
    );
    assert_eq!(
        gives(".lines[2].qty += 1", r#"{"lines":[1]}"#),
        r#"{"lines":[1,null,{"qty":1}]}"#
    );
    assert_eq!(gives(".[3] = 1", "null"), "[null,null,null,1]");
    assert_eq!(
        gives("setpath([\"a\", 0, \"b\"]; 1)", "null"),
        r#"{"a":[{"b":1}]}"#
    );
    assert_eq!(
        gives("(.a, .b) = (1, 2)", "null"),
        r#"{"a":1,"b":1} {"a":2,"b":2}"#
    );
    assert_eq!(
        gives(
            "getpath([\"a\", \"b\"]), (getpath([\"a\", \"b\"]) |= 5)",
            "{}"
        ),
        r#"null {"a":{"b":5}}"#
    );
    assert_eq!(gives(".a.b |= empty, del(.a.b, .c[0])", "{}"), "{} {}");
}

#[test]
fn what_stands_in_the_way_is_an_error() {
    assert_eq!(
        fails(".id.x = 1", ORDER).message,
        r#"cannot index number with "x""#
    );
    assert_eq!(
        fails(".lines.x = 1", ORDER).message,
        r#"cannot index array with "x""#
    );
    assert_eq!(
        fails(".[0] = 1", ORDER).message,
        "cannot index object with number"
    );
    assert_eq!(
        fails(".lines[-4] = 1", ORDER).message,
        "cannot set an item before the first one of an array"
    );
    assert!(
        fails(".[5000000] = 1", "[]")
            .message
            .contains("after the last one")
    );
    assert_eq!(
        fails(".[1:2] = \"x\"", r#""abc""#).message,
        "cannot set a part of a text"
    );
    assert!(
        fails("map(. + 1)[0] = 5", "[1]")
            .message
            .starts_with("expected a path such as .a[0].b")
    );
    assert_eq!(
        fails(".[:1] = 1", "[1]").message,
        "expected an array to set a part of an array to"
    );
}

#[test]
fn a_part_of_an_array_is_set_as_a_whole() {
    assert_eq!(gives(".[1:3] = [9]", "[0,1,2,3]"), "[0,9,3]");
    assert_eq!(gives(".[2:] |= map(. * 10)", "[0,1,2,3]"), "[0,1,20,30]");
    assert_eq!(gives(".[1:1] = [7, 8]", "[0,1]"), "[0,7,8,1]");
    assert_eq!(gives(".[1:][0] = 5", "[0,1,2]"), "[0,5,2]");
    assert_eq!(gives(".[:2] = [1]", "null"), "[1]");
}

#[test]
fn all_is_deleted_that_was_meant_before_anything_is() {
    assert_eq!(gives("del(.[0], .[1])", "[1,2,3,4]"), "[3,4]");
    assert_eq!(gives("del(.[2], .[-4], .[1:2])", "[1,2,3,4]"), "[4]");
    assert_eq!(gives("del(.[] | select(. > 2))", "[3,1,4,1,5]"), "[1,1]");
    assert_eq!(
        gives("del(.lines[0, 2].qty, .lines[1], .note)", ORDER),
        r#"{"id":7,"lines":[{"sku":"a"},{"sku":"c"}]}"#
    );
    assert_eq!(gives(".[1, 0] |= empty", "[1,2,3]"), "[3]");
    assert_eq!(
        gives(
            "delpaths([[\"a\", \"b\"], [\"a\"], [\"x\", 0]])",
            r#"{"a":{"b":1},"c":2}"#
        ),
        r#"{"c":2}"#
    );
    assert_eq!(gives("del(.), del(empty)", "[1]"), "null [1]");
    assert_eq!(
        fails("del(.a)", "[1]").message,
        r#"cannot index array with "a""#
    );
}

#[test]
fn fields_keep_their_order_when_one_is_deleted() {
    assert_eq!(
        gives("del(.b), (.b |= empty)", r#"{"a":1,"b":2,"c":3,"d":4}"#),
        r#"{"a":1,"c":3,"d":4} {"a":1,"c":3,"d":4}"#
    );
}

#[test]
fn an_update_takes_the_first_output_and_sees_what_was_there() {
    assert_eq!(gives(".[] |= (., 7)", "[1,2]"), "[1,2]");
    assert_eq!(
        gives("map_values(., 7), map_values(empty)", "[1,2]"),
        "[1,2] []"
    );
    assert_eq!(
        gives("map_values(select(. > 1))", r#"{"a":1,"b":2}"#),
        r#"{"b":2}"#
    );
    assert_eq!(
        gives(
            "first(.[]) |= 9, (last(.[]) |= 9), (limit(2; .[]) |= 9)",
            "[1,2,3]"
        ),
        "[9,2,3] [1,2,9] [9,9,3]"
    );
    assert_eq!(
        gives(
            "(label $out | .[] | if . > 2 then ., break $out else . end) |= 0",
            "[1,3,5]"
        ),
        "[0,0,5]"
    );
    assert_eq!(
        gives(
            "(.[] | try if . > 1 then error else . end catch empty) |= 0",
            "[1,2]"
        ),
        "[0,2]"
    );
    assert_eq!(gives("(.a // .b) = 1", r#"{"b":0}"#), r#"{"b":1}"#);
    assert_eq!(
        gives(".. |= (numbers |= . + 1)", r#"[1,[2,{"a":3}]]"#),
        r#"[2,[3,{"a":4}]]"#
    );
}

#[test]
fn what_is_picked_stands_where_it_stood() {
    assert_eq!(
        gives("pick(.lines[1].sku, .id)", ORDER),
        r#"{"lines":[null,{"sku":"b"}],"id":7}"#
    );
    assert_eq!(gives("pick(first)", "[1,2]"), "[1]");
    assert_eq!(
        gives("[paths], [leaf_paths]", r#"{"a":[1]}"#),
        r#"[["a"],["a",0]] [["a",0]]"#
    );
}

#[test]
fn counts_and_places_are_not_negative() {
    assert_eq!(
        gives(
            "[limit(2; .[])], [limit(0; error)], [skip(1; .[])], [nth(0, 2; .[])]",
            "[1,2,3]"
        ),
        "[1,2] [] [2,3] [1,3]"
    );
    for (source, message) in [
        ("limit(-1; .[])", "expected a count of 0 or more for limit"),
        ("skip(-1; .[])", "expected a count of 0 or more for skip"),
        ("nth(-1; .[])", "expected a place of 0 or more for nth"),
    ] {
        assert_eq!(fails(source, "[1,2,3]").message, message);
    }
}
