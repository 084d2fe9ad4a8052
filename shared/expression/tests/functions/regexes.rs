//! Regexes are matched as jaq's own standard library does it.

use std::collections::HashSet;

use jaq_core::{
    Compiler, Ctx, Vars,
    data::JustLut,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use pomost_expression::{Expression, Value, Variables, read, write};

type Data = JustLut<Value>;

const CALLS: [&str; 16] = [
    "test($p; $f)",
    "[match($p; $f)]",
    "[capture($p; $f)]",
    "[scan($p; $f)]",
    "split($p; $f)",
    "[splits($p; $f)]",
    r#"sub($p; "<\(.a // "x")>"; $f)"#,
    r#"gsub($p; "<\(.a // "x")>"; $f)"#,
    r#"[limit(3; gsub($p; "1", "2"; $f))]"#,
    "test($p)",
    "[match($p)]",
    "capture($p)",
    "[scan($p)]",
    "[splits($p)]",
    r#"sub($p; "-")"#,
    r#"gsub($p; "-")"#,
];

const PATTERNS: [&str; 22] = [
    "",
    "a",
    "^[^@]+@[^@]+$",
    "[^0-9]",
    "(?<a>[a-z]+)|(?<b>[0-9]+)",
    "(?P<a>.)(?<n>.)?",
    "(ż|ó)+",
    "(a)?(b)?",
    "x*",
    r"\\d{2,4}",
    r"\\bA\\b",
    r"\\w+\\s*",
    "(?i)ŻÓŁW",
    "^.",
    ".$",
    "a b # c",
    "a.b",
    "🐢",
    "(",
    "[z-a]",
    "a{2,1}",
    r"(\\w)\\1",
];

const FLAGS: [&str; 10] = ["", "g", "gn", "i", "gi", "gm", "gs", "gl", "gxp", "q"];

const INPUTS: [&str; 11] = [
    r#""""#,
    r#""abc 123""#,
    r#""ada.zolw@example.com""#,
    r#""żółw ŻÓŁW 🐢 a🐢b""#,
    r#""a\nb\nab\r\n""#,
    r#""aabbaabb""#,
    r#""A a AA""#,
    r#""(22) 123-45-67""#,
    r#""\u0000x""#,
    "1",
    "null",
];

/// What jaq itself gives.
fn of_jaq(source: &str, input: &Value) -> Vec<Value> {
    let arena = Arena::default();
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let modules = Loader::new(definitions).load(&arena, File { code: source, path: () }).unwrap();
    let natives = jaq_core::funs::<Data>().chain(jaq_std::funs()).chain(jaq_json::funs());
    let filter = Compiler::default().with_funs(natives).compile(modules).unwrap();
    let context = Ctx::<Data>::new(&filter.lut, Vars::new([]));
    filter.id.run((context, input.clone())).map(|output| unwrap_valr(output).unwrap()).collect()
}

fn of_ours(source: &str, input: &Value) -> Vec<Value> {
    Expression::compile(source).unwrap().outputs(input.clone(), &Variables::default()).unwrap()
}

#[test]
fn matching_is_jaqs_own() {
    let cases: Vec<String> = PATTERNS
        .iter()
        .flat_map(|pattern| FLAGS.iter().map(move |flags| format!(r#"["{pattern}","{flags}"]"#)))
        .collect();
    let input = format!(r#"{{"cases":[{}],"inputs":[{}]}}"#, cases.join(","), INPUTS.join(","));
    let input = read(input.as_bytes()).unwrap();
    let mut different = HashSet::new();
    for call in CALLS {
        let source = format!(
            r#".inputs as $inputs | .cases[] as [$p, $f] | [$inputs[] | [try {call} catch "failed"]]"#
        );
        let (ours, jaqs) = (of_ours(&source, &input), of_jaq(&source, &input));
        assert_eq!((ours.len(), jaqs.len()), (cases.len(), cases.len()));
        for (case, (ours, jaq)) in cases.iter().zip(ours.iter().zip(&jaqs)) {
            let (ours, jaq) = (write(ours).unwrap(), write(jaq).unwrap());
            assert_eq!(ours, jaq, "{call} {case}");
            different.insert(ours);
        }
    }
    assert!(different.len() > 250, "{}", different.len());
}

#[test]
fn groups_that_match_out_of_order_are_found_where_they_are() {
    let outputs = of_ours(r#"match("(?:(a)|(b))*").captures[].offset"#, &Value::from("ba".to_owned()));
    assert_eq!(outputs, [Value::from(1_usize), Value::from(0_usize)]);
}
