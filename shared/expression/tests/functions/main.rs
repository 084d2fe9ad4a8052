//! Results of the operators and functions of the language: one file for each subject.

#![allow(clippy::unwrap_used)]

mod arithmetic;
mod library;
mod numbers;
mod regexes;
mod times;

use pomost_expression::{Expression, Variables, read, write};

/// The outputs of an expression on an input, or why there are none.
fn run(source: &str, input: &str) -> Result<Vec<String>, String> {
    let expression = Expression::compile(source).map_err(|error| error.message)?;
    let outputs = expression.outputs(read(input.as_bytes()).unwrap(), &Variables::default());
    let outputs = outputs.map_err(|error| error.message)?;
    Ok(outputs
        .iter()
        .map(|output| write(output).unwrap())
        .collect())
}

/// The one output of an expression that needs no input.
fn gives(source: &str) -> Result<String, String> {
    let mut outputs = run(source, "null")?;
    assert_eq!(outputs.len(), 1, "{source}");
    Ok(outputs.remove(0))
}

/// Why an expression has no output.
fn refusal(source: &str) -> String {
    gives(source).expect_err(source)
}
