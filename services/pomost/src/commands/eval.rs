//! `pomost eval`

use std::{
    io::{Read as _, stdin},
    process::ExitCode,
};

use anyhow::Context as _;
use pomost_expression::{
    CompileError, EvaluationError, Expression, Value, Variables, functions, read, write,
};
use serde_json::{Deserializer, value::RawValue};

/// The exit code of an expression that does not compile.
const DOES_NOT_COMPILE: u8 = 2;

/// The arguments of `pomost eval`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The expression, in jq as flows have it
    #[arg(required_unless_present = "functions")]
    expression: Option<String>,
    /// Read nothing: the input is null
    #[arg(short, long)]
    null_input: bool,
    /// Print text as it is, without quotes
    #[arg(short, long)]
    raw: bool,
    /// Print the functions that jq does not have, each with an example
    #[arg(long, exclusive = true)]
    functions: bool,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's data, and errors beside it"
)]
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(source) = &arguments.expression else {
        print!("{}", functions::document());
        return Ok(ExitCode::SUCCESS);
    };
    let expression = match Expression::compile(source) {
        Ok(expression) => expression,
        Err(error) => {
            eprintln!("{}", placed(source, &error));
            return Ok(ExitCode::from(DOES_NOT_COMPILE));
        }
    };
    let text = if arguments.null_input {
        b"null".into()
    } else {
        standard_input()?
    };
    let mut exit = ExitCode::SUCCESS;
    for (number, input) in (1..).zip(Deserializer::from_slice(&text).into_iter()) {
        let input = input.with_context(|| format!("input {number} is not JSON"))?;
        match outputs(&expression, input, arguments.raw) {
            Ok(outputs) => outputs.iter().for_each(|output| println!("{output}")),
            Err(error) => {
                eprintln!("error: input {number}: {error:#}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    Ok(exit)
}

fn standard_input() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stdin()
        .read_to_end(&mut bytes)
        .context("standard input cannot be read")?;
    Ok(bytes)
}

fn outputs(expression: &Expression, input: &RawValue, raw: bool) -> anyhow::Result<Vec<String>> {
    let outputs = expression.outputs(read(input.get().as_bytes())?, &Variables::default());
    let outputs = outputs.map_err(|error| anyhow::anyhow!(explained(error)))?;
    outputs.iter().map(|output| line(output, raw)).collect()
}

/// The error in words. A person who tries an expression has the record at hand, so the value given
/// to `error` is shown unmasked.
fn explained(mut error: EvaluationError) -> String {
    if let Some(raised) = &error.raised {
        error.message = raised.unmasked().to_owned();
    }
    match &error.pointer {
        Some(pointer) => format!("field {pointer}: {error}"),
        None => error.to_string(),
    }
}

fn line(output: &Value, raw: bool) -> anyhow::Result<String> {
    match output {
        Value::TStr(text) if raw => Ok(String::from_utf8(text.to_vec())?),
        output => write(output).context("the output cannot be written as JSON"),
    }
}

/// A compile error with its line and column, and the line itself.
fn placed(source: &str, error: &CompileError) -> String {
    let (before, after) = source
        .split_at_checked(error.offset)
        .unwrap_or((source, ""));
    let line_start = before.rfind('\n').map_or(0, |place| place + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count();
    let text = format!(
        "{}{}",
        &before[line_start..],
        after.lines().next().unwrap_or_default()
    );
    let help = error
        .help
        .as_ref()
        .map(|help| format!("\n    help: {help}"))
        .unwrap_or_default();
    format!(
        "expression:{line}:{}: {error}\n    {text}\n    {}^{help}",
        column + 1,
        " ".repeat(column)
    )
}
