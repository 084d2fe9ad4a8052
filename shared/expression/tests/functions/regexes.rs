//! Regexes are jq's, Unicode included, and what looks around or back is bounded.

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
fn a_match_is_described_with_all_its_groups() {
    each(&[
        (
            r#""żółw 12" | match("(?<word>\\w+) (\\d+)")"#,
            r#"[{"offset":0,"length":7,"string":"żółw 12","captures":[{"offset":0,"length":4,"string":"żółw","name":"word"},{"offset":5,"length":2,"string":"12","name":null}]}]"#,
        ),
        (
            r#""b" | match("(a)?(?<rest>b)")"#,
            r#"[{"offset":0,"length":1,"string":"b","captures":[{"offset":-1,"length":0,"string":null,"name":null},{"offset":0,"length":1,"string":"b","name":"rest"}]}]"#,
        ),
        (r#""🐢a🐢b" | match("[ab]"; "g").offset"#, "[1,3]"),
        (r#""ba" | match("(?:(a)|(b))*").captures[].offset"#, "[1,0]"),
        (
            r#""ab" | match(["B", "i"]).string, match(["b"]).offset"#,
            r#"["b",1]"#,
        ),
        (
            r#""ab" | test(["B", null]), test(["B", "i"]), test("b")"#,
            "[false,true,true]",
        ),
        (
            r#""x" | capture("(?<a>x)(?<b>y)?"), capture(["(?<a>X)", "i"])"#,
            r#"[{"a":"x","b":null},{"a":"x"}]"#,
        ),
        (
            r#""aXbx" | capture("(?<a>x)"; "gi")"#,
            r#"[{"a":"X"},{"a":"x"}]"#,
        ),
    ]);
}

#[test]
fn all_matches_are_found_empty_ones_included() {
    each(&[
        (r#""ab" | match(""; "g").offset"#, "[0,1,2]"),
        (
            r#""aab" | match("a*"; "g") | [.offset, .length]"#,
            "[[0,2],[2,0],[3,0]]",
        ),
        (
            r#""aab" | match("a*"; "gn") | [.offset, .length]"#,
            "[[0,2]]",
        ),
        (
            r#""aab" | test("b*?"; "n"), test("c*"; "n"), test("(?=b)"; "n")"#,
            "[true,false,false]",
        ),
        (r#""ż" | match(""; "g").offset"#, "[0,1]"),
        (
            r#""a1b22" | scan("\\d+"), scan("([a-z])(\\d)")"#,
            r#"["1","22",["a","1"],["b","2"]]"#,
        ),
        (r#""a1" | scan("(b)|(1)")"#, r#"[[null,"1"]]"#),
        (r#""aAa" | scan("a"; "i")"#, r#"["a","A","a"]"#),
        (r#""a, b,c" | splits(", *")"#, r#"["a","b","c"]"#),
        (
            r#""aXbxc" | split("x"; "i"), split("x"; null), split("x")"#,
            r#"[["a","b","c"],["aXb","c"],["aXb","c"]]"#,
        ),
        (r#""" | splits("a"), splits("")"#, r#"["","",""]"#),
    ]);
}

#[test]
fn what_matches_is_replaced_by_each_output() {
    each(&[
        (
            r#""a-b-c" | sub("-"; "+"), gsub("-"; "+")"#,
            r#"["a+b-c","a+b+c"]"#,
        ),
        (r#""ab" | gsub("(?<x>.)"; "<\(.x)>")"#, r#"["<a><b>"]"#),
        (r#""b" | sub("(?<x>a)?b"; "\(.x)")"#, r#"["null"]"#),
        (r#""ab" | gsub("(?<x>.)"; .x, "-")"#, r#"["ab","--"]"#),
        (
            r#""ab" | sub("b"; empty), sub("x"; "y"), gsub("."; null)"#,
            r#"["ab","ab",""]"#,
        ),
        (
            r#""Ab" | sub("a"; "x"; "i"), gsub("[AB]"; "x"; "i")"#,
            r#"["xb","xx"]"#,
        ),
        (
            r#""ab" | gsub("(?=b)"; "-"), gsub("^"; ">"), gsub("$"; "<")"#,
            r#"["a-b",">ab","ab<"]"#,
        ),
    ]);
    assert_eq!(
        refusal(r#""ab" | sub("b"; 1)"#),
        "cannot calculate \"a\" + number"
    );
}

#[test]
fn words_digits_and_case_are_those_of_unicode() {
    each(&[
        (r#""Łódź" | test("^\\w+$")"#, "[true]"),
        (
            r#""ŻÓŁW" | test("żółw"; "i"), test("(?i)Ż")"#,
            "[true,true]",
        ),
        (r#""ząb żab" | scan("\\b\\w")"#, r#"["z","ż"]"#),
        (r#""e\u0301a" | match("\\w+").length"#, "[3]"),
        (
            r#""Ǆ" | test("\\p{Lu}"), test("[[:upper:]]")"#,
            "[true,false]",
        ),
        (r#""١" | test("\\d")"#, "[true]"),
    ]);
}

#[test]
fn the_flags_are_jqs() {
    each(&[
        (
            r#""a\nb" | test("a.b"), test("a.b"; "m"), test("a.b"; "p"), test("a.b"; "s")"#,
            "[false,true,true,false]",
        ),
        (
            r#""a\nb" | test("^b"), test("(?m)^b"), test("a$")"#,
            "[false,true,false]",
        ),
        (
            r#""ab" | match("a|ab").string, match("a|ab"; "l").string"#,
            r#"["a","ab"]"#,
        ),
        (r#""ab" | test("a b # both"; "x")"#, "[true]"),
    ]);
    assert_eq!(refusal(r#""a" | test("a"; "q")"#), "invalid regex flag: q");
    assert_eq!(
        refusal(r#""a" | test(1)"#),
        "expected a regex, or an array of a regex and its flags"
    );
    assert_eq!(
        run(r#"test("a"; "g")"#, "1").unwrap_err(),
        "cannot search number for a regex: expected text"
    );
}

#[test]
fn regexes_look_around_and_back() {
    each(&[
        (r#""EUR 12 PLN 34" | scan("(?<=PLN )\\d+")"#, r#"["34"]"#),
        (r#""ab ac" | scan("a(?!b).")"#, r#"["ac"]"#),
        (
            r#""aa ab" | scan("(?<x>\\w)\\k<x>") , test("(\\w)\\1")"#,
            r#"[["a"],true]"#,
        ),
        (
            r#""12345678" | gsub("(?<=\\d)(?=(\\d{3})+$)"; " ")"#,
            r#"["12 345 678"]"#,
        ),
        (
            r#""aaa" | test("a++a"), test("(?>a+)a"), test("a\\Z")"#,
            "[false,false,true]",
        ),
    ]);
    let error = refusal(r#"("a" * 70000) | test("(?=b)")"#);
    assert!(error.contains("searches more than 64 KiB"), "{error}");
}

#[test]
fn a_regex_that_goes_back_and_forth_without_end_is_ended() {
    for length in [40, 4000, 60_000] {
        let error = refusal(&format!(
            r#"("a" * {length}) | try test("^(a|a)*(?=b)\\1$") catch "caught""#
        ));
        assert!(error.contains("tries too many ways"), "{length}: {error}");
    }
}

#[test]
fn brackets_hold_characters_and_no_operations_on_sets() {
    for (source, matches) in [
        (
            r#""ab&" | [match("[a&&b]"; "g").string]"#,
            r#"["a","b","&"]"#,
        ),
        (
            r#""a~b" | [match("[a~~b]"; "g").string]"#,
            r#"["a","~","b"]"#,
        ),
        (r#""a-b" | [match("[+--]"; "g").string]"#, r#"["-"]"#),
        (
            r#""a-b./" | [match("[--/]"; "g").string]"#,
            r#"["-",".","/"]"#,
        ),
        (r#""a-b./" | [match("[a-]"; "g").string]"#, r#"["a","-"]"#),
        (r#""-b" | [match("[\\w-a]"; "g").string]"#, r#"["-","b"]"#),
        (
            r#""]a[" | [match("[]a[]"; "g").string]"#,
            r#"["]","a","["]"#,
        ),
        (r#""[x" | [match("[[x]"; "g").string]"#, r#"["[","x"]"#),
        (r#""[x]b]" | [match("[^[x]]"; "g").string]"#, r#"["b]"]"#),
        (
            r#""a1-" | [match("[[:alpha:]-]"; "g").string]"#,
            r#"["a","-"]"#,
        ),
        (
            r#""a.b axb" | [match("\\Qa.b\\E"; "g").string]"#,
            r#"["a.b"]"#,
        ),
        (r#""oooa" | [match("o{1}{2}"; "g").string]"#, r#"["oo"]"#),
        (r#""\tx" | [match("\\011"; "g").string]"#, r#"["\t"]"#),
        (
            r#""a[b" | [match("a # [\n\\[b"; "gx").string]"#,
            r#"["a[b"]"#,
        ),
        (
            r#""za" | [match("[\\x{61}-\\x62\\p{Lu}-]"; "g").string]"#,
            r#"["a"]"#,
        ),
    ] {
        assert_eq!(gives(source).as_deref(), Ok(matches), "{source}");
    }
    assert!(gives(r#""a-b" | test("[a--c]")"#).is_err());
}
