//! The added functions as a document.

use std::fmt::Write as _;

use super::{AddedFunction, DIFFERENCES, JqDifference, LEFT_OUT_OF_JQ, MORE_THAN_JQ, SUBJECTS};

const INTRODUCTION: &str = "\
# Functions

Every expression of a flow is jq, as jq's documentation describes it. All differences are listed [below](#differences-from-jq).
The functions on this page are added. Each of them converts its input to exactly one output, or fails with an error that says
what was expected. `pomost eval` tries an expression on a record, and `pomost eval --functions` prints this text.

A function takes its input from the left and its arguments in brackets: `.ordered | date(\"%d.%m.%Y\")`. Formats of dates are
strftime formats. `pomost check` checks formats, time zones, regexes and codes that are constants.

## Numbers are exact

`+`, `-`, `*`, `/`, `%`, the comparisons, `add`, `floor`, `round` and `ceil` calculate exactly with decimals of up to 1000
digits. Their results are as short as possible: `1.10 + 2.20` is `3.3`, `1.10 * 100` is `110`, and `9007199254740993 * 1.0` is
`9007199254740993`. A quotient without an end has 34 digits. A division by zero is an error. A number that is not calculated
with keeps its notation.

The mathematical functions (`sqrt`, `pow`, `log`, …) calculate with floats. Their result is a whole number if its value is one,
and otherwise a float, and further calculations with a float give floats. `sort`, `min`, `max`, `unique`, `group_by` and the
comparison of arrays and objects compare 15 digits of decimals, as floats do, and all digits of integers.

## Bounds

An expression that exceeds a bound is ended, and its record becomes a dead letter that names the bound. `try` does not catch
this. For one record, an expression may use

- 5 000 000 steps: items, calls, rounds of loops and new fields. A regex uses a step for each of its characters and classes, with
  repetitions written out, and for each 128 bytes of the text. So a regex of 40 characters can search 15 MiB;
- numbers of 4096 characters when they are read, also from text; longer numbers are an error of the record;
- regexes of 64 KiB;
- 5 seconds of processor time;
- texts of 16 MiB, arrays of 5 000 000 items, and values of 128 MiB as JSON, for all its outputs together;
- texts of 64 KiB for a regex with look-around (`(?=…)`, `(?<!…)`), back references (`\\1`), possessive repetitions (`a++`) or the
  flag `n` or `l`. A regex that tries too many ways is also ended;
- 128 levels of nested arrays and objects;
- 100 000 outputs, and decimals of 1000 digits.
";

const DIFFERENT: &str = "
## Differences from jq

These are all differences. Each is intended, and is shown with its result here and in jq.

";

/// The added functions, each with its example, and the differences from jq, as Markdown.
pub fn document() -> String {
    let mut document = INTRODUCTION.to_owned();
    document.push_str(DIFFERENT);
    not_here(&mut document);
    DIFFERENCES
        .iter()
        .for_each(|difference| different(&mut document, difference));
    for subject in &SUBJECTS {
        document.push_str(&format!("\n## {}\n", subject.title));
        subject
            .functions
            .iter()
            .for_each(|added| entry(&mut document, added));
    }
    document
}

fn entry(document: &mut String, added: &AddedFunction) {
    let AddedFunction {
        name,
        description,
        example,
        gives,
    } = added;
    let description = wrapped(description);
    // Writing to a String does not fail.
    let _ = write!(
        document,
        "\n### `{name}`\n\n{description}\n\n```jq\n{example}   # {gives}\n```\n"
    );
}

fn not_here(document: &mut String) {
    let names = quoted(LEFT_OUT_OF_JQ);
    let text = format!(
        "- A mapping is a function of its record alone, so there is no {names}, nor what jq names with an underscore at the beginning."
    );
    let more = quoted(MORE_THAN_JQ);
    let more =
        format!("- Beside the functions of this page, these are more than jq documents: {more}.");
    for item in [text, more] {
        document.push_str(&wrapped(&item).replace('\n', "\n  "));
        document.push('\n');
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn different(document: &mut String, difference: &JqDifference) {
    let JqDifference {
        description,
        example,
        here,
        in_jq,
    } = difference;
    let here = match here {
        Ok(outputs) => (*outputs).to_owned(),
        Err(message) => format!("error: {message}"),
    };
    let description = wrapped(&format!("- {description}")).replace('\n', "\n  ");
    // Writing to a String does not fail.
    let _ = write!(
        document,
        "{description}\n\n  ```jq\n  {example}\n  # here: {here}\n  # jq:   {in_jq}\n  ```\n"
    );
}

/// The text in lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
