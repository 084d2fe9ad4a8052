//! Any program at all, on any value: it is refused, or it ends in good time with outputs or an
//! error. `PROPTEST_CASES` says how many are tried; what once went wrong is kept beside this file
//! and in `corpus/`.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use pomost_expression::{Expression, Template, Value, Variables, functions, read, write};
use proptest::{collection::vec, prelude::*, sample::select};

/// The longest time that one program may take on the slowest machine that runs the tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// The forms of which programs are made, beside the functions; `@` stands for another program.
const FORMS: [&str; 60] = [
    ".",
    "..",
    ".a",
    ".[0]",
    ".[1:]",
    ".[-1:]",
    ".[]",
    ".[]?",
    ".a.b?",
    ".[@]",
    "null",
    "1.10",
    "-1e999",
    "\"ż\"",
    "[]",
    "{}",
    "$key",
    "$page",
    "@ | @",
    "@, @",
    "[@]",
    "{a: @, b: @}",
    "{(@): @}",
    "@ + @",
    "@ - @",
    "@ * @",
    "@ / @",
    "@ % @",
    "@ == @",
    "@ < @",
    "@ // @",
    "@ and @",
    "-(@)",
    "try @ catch @",
    "(@)?",
    "if @ then @ else @ end",
    "@ as $x | $x | @",
    "@ as [$x, {a: $y}] | $x, $y",
    "reduce @ as $x (@; @)",
    "foreach @ as $x (@; @; @)",
    "(.a | @) = @",
    ".[]? |= @",
    "(@) |= @",
    ".a += @",
    "\"-\\(@)-\"",
    "label $f | @ | break $f",
    "def f: @; f | f",
    "def f(g): g | g; f(@)",
    "def f($a): $a, a; f(@)",
    "@ as [$x] ?// {a: $x} ?// $x | $x | @",
    "@ as {(@): $x} | $x",
    ".[@:@]",
    ".[@:@] = @",
    ".[@:]? |= @",
    ".[@] = @",
    "del(@)",
    "path(@)",
    "getpath(@) |= @",
    "{a: [@ | {b: @}]}",
    "error(@)",
];

/// Any value, nested a little.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        select(vec![
            "null",
            "true",
            "0",
            "-1",
            "1.10",
            "1e400",
            "9007199254740993",
            "1e-400"
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        ".{0,12}".prop_map(|text: String| serde_json::Value::from(text).to_string()),
        select(vec![
            "2026-11-24T12:00:00Z",
            "600 100 200",
            "%E2%82",
            "(a+)+$",
            "TAK",
            "x",
            "a"
        ])
        .prop_map(|text| format!("{text:?}")),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        let field = (
            select(vec!["a", "b", "key", "value", "name"]),
            inner.clone(),
        );
        let field = field.prop_map(|(name, value)| format!("{name:?}:{value}"));
        prop_oneof![
            vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            vec(field, 0..5).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

/// A program of the forms and of every function.
fn program() -> impl Strategy<Value = String> {
    let names: Vec<&str> = functions::names().collect();
    let call = (select(names), 0..4_usize).prop_map(|(name, arguments)| match arguments {
        0 => name.to_owned(),
        arguments => format!("{name}({})", vec!["@"; arguments].join("; ")),
    });
    let form = prop_oneof![select(FORMS.to_vec()).prop_map(str::to_owned), call];
    let leaf = form.clone().prop_map(|form| form.replace('@', "."));
    leaf.prop_recursive(5, 24, 4, move |inner| {
        (form.clone(), vec(inner, 4)).prop_map(|(form, inner)| {
            let mut inner = inner.into_iter().cycle();
            form.split('@')
                .map(str::to_owned)
                .reduce(|program, rest| {
                    format!("{program}({}){rest}", inner.next().unwrap_or_default())
                })
                .unwrap_or_default()
        })
    })
}

fn run(source: &str, input: &str) {
    let Ok(expression) = Expression::compile(source) else {
        return;
    };
    let (begin, variables) = (
        Instant::now(),
        Variables {
            page: Value::from(7_usize),
            ..Variables::default()
        },
    );
    if let Ok(outputs) = expression.outputs(read(input.as_bytes()).unwrap(), &variables) {
        assert!(
            outputs.len() <= 1 || !expression.has_at_most_one_output(),
            "{source} has several outputs"
        );
        for output in outputs {
            // What JSON lacks is an error; what is written is JSON.
            write(&output)
                .into_iter()
                .for_each(|json| drop(read(json.as_bytes()).unwrap()));
            pomost_expression::to_json(&output);
        }
    }
    assert!(
        begin.elapsed() < PATIENCE,
        "{source} takes {:?}",
        begin.elapsed()
    );
}

/// Programs that go on to their bounds take seconds, so a quarter of them has to do.
fn slow() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.div_ceil(4),
        ..config
    }
}

proptest! {
    #![proptest_config(slow())]

    #[test]
    fn any_program_on_any_value_ends(source in program(), input in value()) {
        run(&source, &input);
    }
}

proptest! {
    #[test]
    fn any_text_as_a_program_is_refused_or_ends(source in "[-.|,()\\[\\]{}:;$@\"\\\\?/*+a-f0-9 ]{0,40}", input in value()) {
        run(&source, &input);
        drop(Template::of_url(&source));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in vec(any::<u8>(), 0..64)) {
        read(&bytes).into_iter().for_each(|value| drop(write(&value).unwrap()));
    }
}

#[test]
fn what_went_wrong_once_does_not_any_more() {
    let inputs = corpus("inputs");
    for input in &inputs {
        if let Ok(value) = read(input.as_bytes()) {
            write(&value).unwrap();
        }
    }
    for program in corpus("programs") {
        for input in inputs.iter().filter(|input| read(input.as_bytes()).is_ok()) {
            run(program.trim_end(), input);
        }
    }
}

fn corpus(name: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let files = fs::read_dir(directory).unwrap();
    files
        .map(|file| String::from_utf8_lossy(&fs::read(file.unwrap().path()).unwrap()).into_owned())
        .collect()
}
