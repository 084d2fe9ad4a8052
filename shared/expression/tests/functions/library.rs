//! jq's library is as its documentation has it, and within bounds.

use crate::{gives, refusal, run};

fn each(cases: &[(&str, &str)]) {
    for (source, result) in cases {
        assert_eq!(
            gives(&format!("[{source}]")).as_deref(),
            Ok(*result),
            "{source}"
        );
    }
}

#[test]
fn entries_become_an_object_and_back() {
    each(&[
        (
            r#"{a: 1, b: null} | to_entries"#,
            r#"[[{"key":"a","value":1},{"key":"b","value":null}]]"#,
        ),
        (r#"["x"] | to_entries"#, r#"[[{"key":0,"value":"x"}]]"#),
        (
            r#"[{key: "a", value: 1}, {Key: "b", Value: 2}, {name: "c"}, {Name: "d", value: false}, {k: "e", v: 5}] | from_entries"#,
            r#"[{"a":1,"b":2,"c":null,"d":false,"e":5}]"#,
        ),
        (
            r#"{a: 1} | with_entries(.key |= "x" + ., {key: "y", value: 2})"#,
            r#"[{"xa":1,"y":2}]"#,
        ),
        ("[] | from_entries", "[{}]"),
    ]);
    for entry in [
        "{key: null, value: 1}",
        "{key: false}",
        "{key: 1}",
        "{value: 1}",
        "1",
    ] {
        assert!(
            gives(&format!("[{entry}] | from_entries")).is_err(),
            "{entry}"
        );
    }
}

#[test]
fn values_are_looked_up_in_an_index_as_in_sql() {
    each(&[
        (
            r#"INDEX({id: 1, n: "a"}, {id: 2, n: "b"}; .id)"#,
            r#"[{"1":{"id":1,"n":"a"},"2":{"id":2,"n":"b"}}]"#,
        ),
        (r#"["x", "yy"] | INDEX(length)"#, r#"[{"1":"x","2":"yy"}]"#),
        (
            r#"[{of: "a"}, {of: "c"}] | JOIN({a: 1}; .of)"#,
            r#"[[[{"of":"a"},1],[{"of":"c"},null]]]"#,
        ),
        (
            r#"JOIN({a: 1}; {of: "a"}; .of; {of: .[0].of, n: .[1]})"#,
            r#"[{"of":"a","n":1}]"#,
        ),
        ("2 | IN(1, 2), IN(3)", "[true,false]"),
        ("IN(1, 2; 2, 3), IN(1; 2)", "[true,false]"),
        ("1.10 | IN(1.1)", "[true]"),
    ]);
}

#[test]
fn values_are_streamed_and_put_together_again() {
    each(&[
        (
            r#"{a: [1, {}], b: []} | tostream"#,
            r#"[[["a",0],1],[["a",1],{}],[["a",1]],[["b"],[]],[["b"]]]"#,
        ),
        ("3 | tostream", "[[[],3]]"),
        (
            r#"{a: [1, {b: 2}]} | fromstream(tostream)"#,
            r#"[{"a":[1,{"b":2}]}]"#,
        ),
        (
            r#"fromstream(([1, [2]], "x") | tostream)"#,
            r#"[[1,[2]],"x"]"#,
        ),
        (
            r#"{a: [1, 2]} | fromstream(1 | truncate_stream({a: [1, 2]} | tostream))"#,
            "[[1,2]]",
        ),
        ("fromstream([[1], 2], [[1]])", "[[null,2]]"),
        (
            "1 | truncate_stream([[0], 1], [[1, 0], 2], [[1, 0]])",
            "[[[0],2],[[0]]]",
        ),
    ]);
    assert!(gives("fromstream(1)").is_err());
    assert!(gives(r#"fromstream([["a"], 1], [[0], 2], [[0]])"#).is_err());
}

#[test]
fn arrays_are_flattened_combined_and_walked_as_in_jq() {
    each(&[
        (
            "[1, [2, [3]]] | flatten, flatten(1), flatten(0)",
            "[[1,2,3],[1,2,[3]],[1,[2,[3]]]]",
        ),
        ("{a: [1], b: 2} | flatten", "[[1,2]]"),
        (
            "[[1, 2], [3, 4]] | combinations",
            "[[1,3],[1,4],[2,3],[2,4]]",
        ),
        ("[0, 1] | combinations(2)", "[[0,0],[0,1],[1,0],[1,1]]"),
        (
            "([] | combinations), ([[1], []] | combinations), ([1] | combinations(0))",
            "[[],[]]",
        ),
        ("[1, [2]] | walk(numbers, .)", "[[1,1,[2,2]]]"),
        (
            "{a: [1, 2]} | walk(if . == 1 then empty end)",
            r#"[{"a":[2]}]"#,
        ),
        ("[[1], [2, 3]] | transpose", "[[[1,2],[null,3]]]"),
        ("[] | transpose", "[[]]"),
        ("null | reverse", "[[]]"),
    ]);
    assert_eq!(
        refusal("[1] | flatten(-1)"),
        "expected a depth of at least 0"
    );
}

#[test]
fn texts_are_trimmed_and_searched_by_characters() {
    each(&[
        (
            r#""abxab" | trimstr("ab"), ltrimstr("ab"), rtrimstr("ab"), trimstr("x")"#,
            r#"["x","xab","abx","abxab"]"#,
        ),
        (
            r#""\u00a0 ż\u2003" | trim, ltrim, rtrim | length"#,
            "[1,2,3]",
        ),
        (
            r#""żażż" | indices("ż"), index("ż"), rindex("ż"), indices("")"#,
            "[[0,2,3],0,3,[]]",
        ),
        (r#""aaa" | indices("aa")"#, "[[0,1]]"),
        (
            "[1, 2, 1, 2, 1] | indices([1, 2]), indices(1), index(3)",
            "[[0,2],[0,2,4],null]",
        ),
        ("null | indices(1), index(1)", "[null,null]"),
        (r#""false", true | toboolean"#, "[false,true]"),
        (
            "[1, 2] | has(0), has(2), has(nan), has(1.9)",
            "[true,false,false,true]",
        ),
        (
            r#""foobar" | contains("bar"), ([["foobar"]] | contains([["bar"]]))"#,
            "[true,true]",
        ),
        (
            "-12345678901234567890.12 | length, abs",
            "[12345678901234567890.12,12345678901234567890.12]",
        ),
    ]);
    assert_eq!(
        refusal(r#""a" | ascii_downcase | ltrimstr(1)"#),
        "expected text, and text as its beginning"
    );
    assert_eq!(
        refusal("[1] | contains(1)"),
        "cannot look in array for number"
    );
}

#[test]
fn what_the_library_makes_is_within_bounds() {
    let steps = [
        "[range(10)] | last(combinations(10))",
        "[1] | combinations(1e12)",
        "[range(100000)] | contains([range(100000)])",
        r#"("a" * 100000) / "" | indices(.[:50000])"#,
        r#"("a" * 8000000) | indices("a" * 4000000)"#,
        r#"("a" * 1000000) / "" | last(tostream)"#,
        r#"("a" * 1000000) | gsub("a"; "b")"#,
        r#"("a" * 1000000) | [splits("")]"#,
    ];
    for source in steps {
        assert_eq!(
            refusal(source),
            "the expression takes more than 5000000 steps",
            "{source}"
        );
    }
    for source in [
        r#"["a" * 1000000] | [.[0] as $a | range(20) | $a] | join("-")"#,
        r#"["a" * 1000000] | [.[0] as $a | range(20) | $a] | @csv"#,
        r#"["a" * 1000000] | [.[0] as $a | range(20) | $a] | @sh"#,
        r#"("a" * 1000) | gsub("a"; "b" * 100000)"#,
    ] {
        assert_eq!(
            refusal(source),
            "the expression makes a text longer than 16 MiB",
            "{source}"
        );
    }
    assert_eq!(
        refusal("fromstream([[1000000000], 1])"),
        "the expression takes more than 5000000 steps"
    );
    assert!(
        refusal("fromstream([[range(1000) | 0], 1])").contains("nested deeper than 128 levels")
    );
    assert!(run("[range(2000)] | contains([range(2000)])", "null").is_ok());
}
