//! The language is jq: what its documentation says is what an expression gives.

#![allow(clippy::unwrap_used)]

mod errors;
mod forms;
mod operators;
mod paths;
mod strict;

use pomost_expression::{EvaluationError, Expression, Variables, read, write};

/// All outputs as JSON, with spaces between them.
fn gives(source: &str, input: &str) -> String {
    try_gives(source, input).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn fails(source: &str, input: &str) -> EvaluationError {
    try_gives(source, input).expect_err(source)
}

fn try_gives(source: &str, input: &str) -> Result<String, EvaluationError> {
    let expression =
        Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let outputs = expression.outputs(read(input.as_bytes()).unwrap(), &Variables::default())?;
    Ok(outputs
        .iter()
        .map(|output| write(output).unwrap())
        .collect::<Vec<_>>()
        .join(" "))
}
