//! Whatever a record holds, no function of the language ends the process or tells the value.

#![allow(clippy::unwrap_used)]

use pomost_expression::{Expression, Variables, functions, read};

/// They have no end, or none in good time, on some of the inputs.
const ENDLESS: [&str; 6] = [
    "combinations",
    "repeat",
    "range",
    "while",
    "until",
    "recurse",
];

const ARGUMENTS: [&str; 9] = [
    "",
    "(.)",
    "(\"%Y\")",
    "(\"PL\")",
    "(\"PLN\")",
    "(.; .)",
    "(\"%F\"; \"Europe/Warsaw\")",
    "(2; \",\"; .)",
    "(.[0]?; .; \"g\")",
];

const INPUTS: [&str; 27] = [
    "null",
    "true",
    "0",
    "-1",
    "1.10",
    "1e999999",
    "-1e999999",
    "1e-999999",
    "9007199254740993",
    "123456789012345678901234567890",
    "-9223372036854775807",
    r#""""#,
    r#""\u0000""#,
    r#""żółw 🐢""#,
    r#""(a+)+$""#,
    r#""%Y-%d""#,
    r#""9999-99-99T99:99:99Z""#,
    r#""-262144-01-01T00:00:00Z""#,
    "[]",
    "{}",
    r#"[[1,[2]],{"a":[null]}]"#,
    r#"{"key":1,"value":[],"name":null}"#,
    "[0,0,0,0,0,0]",
    "[1e300,13,-1,99,1e18,1,1]",
    r#""+48 600 100 200""#,
    r#""%E2%82%""#,
    r#""2026-11-24T23:59:60.999999999999+25:00""#,
];

#[test]
fn no_function_panics_on_any_input() {
    let mut tried = 0;
    let mut panics = Vec::new();
    for name in functions::names().filter(|name| !ENDLESS.contains(name)) {
        for arguments in ARGUMENTS {
            let Ok(expression) = Expression::compile(&format!("first({name}{arguments})")) else {
                continue;
            };
            tried += 1;
            panics.extend(panics_of(&expression));
        }
    }
    assert!(tried > 300, "{tried}");
    assert_eq!(panics, Vec::<String>::new());
}

#[test]
fn no_operator_panics_on_any_input() {
    let inputs = INPUTS.join(", ");
    for operator in [
        "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "+=", "-=", "*=", "/=", "%=",
    ] {
        let source =
            format!("[({inputs}) as $other | try (. {operator} $other) catch null] | length");
        assert_eq!(
            panics_of(&Expression::compile(&source).unwrap()),
            Vec::<String>::new()
        );
    }
}

/// The inputs on which an expression panics.
fn panics_of(expression: &Expression) -> Vec<String> {
    let panics = |input: &&str| {
        let run = || {
            expression
                .outputs(read(input.as_bytes()).unwrap(), &Variables::default())
                .is_ok()
        };
        std::panic::catch_unwind(run).is_err()
    };
    INPUTS
        .into_iter()
        .filter(panics)
        .map(|input| format!("{input} | {}", expression.source()))
        .collect()
}

#[test]
fn no_error_tells_a_value_of_the_record() {
    let inputs = [
        r#""geheim""#,
        r#"["geheim"]"#,
        r#"{"geheim":1}"#,
        r#"["geheim",{"geheim":"geheim"},null,1]"#,
    ]
    .map(|input| read(input.as_bytes()).unwrap());
    let functions = functions::names()
        .filter(|name| !ENDLESS.contains(name))
        .flat_map(|name| {
            ["", "(.)", "(.[0]?)", "(\"x\")", "(.; .)", "(.; \"x\"; .)"]
                .map(|arguments| format!("first({name}{arguments})"))
        });
    let operators = ["+", "-", "*", "/", "%"].into_iter();
    let operations =
        operators.flat_map(|operator| [format!(". {operator} 1"), format!("{{}} {operator} .")]);
    let others = [
        "-.",
        ".x",
        ".[.]",
        ".[0].x",
        ".[\"y\"]",
        ". as [$a] | $a",
        ". as {$a} | $a",
        ".[1:.]",
        ".x = 1",
        ".[0] |= .x",
        "keys[0] | error",
        "try error(.) catch error(.)",
        "\"not \\(.)\" | error",
        "{(.): 1}",
        "path(tostring)",
        "error(\"cannot use \\(.) as string\")",
        "error(\"cannot index \\(.) with \\(.)\")",
        "limit(.; 1)",
        "error(\"expected a date in the format \\(.)\")",
        "error(\"cannot parse \\(.) as JSON\")",
    ];
    let mut failed = 0;
    for source in functions.chain(operations).chain(others.map(str::to_owned)) {
        let Ok(expression) = Expression::compile(&source) else {
            continue;
        };
        for input in &inputs {
            if let Err(error) = expression.outputs(input.clone(), &Variables::default()) {
                failed += 1;
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("geheim"), "{source}: {shown}");
            }
        }
    }
    assert!(failed > 300, "{failed}");
}
