//! The added functions as a document.

use std::fmt::Write as _;

use super::{Added, SUBJECTS};

const INTRODUCTION: &str = "\
# Functions

Every expression of a flow is jq, and these functions are added to it. Each converts, or is an error that says what was
expected: never an empty or a second output. `pomost eval` tries an expression on a record, and `pomost eval --functions`
prints this text.

A function takes its input from the left and its arguments in brackets: `.ordered | date(\"%d.%m.%Y\")`. Formats are those
of strftime. Formats, time zones, regexes and codes that are written out are checked by `pomost check`.

## Numbers are exact

`+`, `-`, `*`, `/`, `%`, the comparisons, `add`, `floor`, `round` and `ceil` reckon with decimals digit for digit, of up to
1000 digits, and give their results as short as they can be: `1.10 + 2.20` is `3.3`, `1.10 * 100` is `110`, and
`9007199254740993 * 1.0` is `9007199254740993`. A quotient that has no end has 34 digits; a division by zero is an error.
A number that is not reckoned with crosses as it was written.

The mathematical functions (`sqrt`, `pow`, `log`, …) give floats, and so does what is reckoned with these. `sort`, `min`,
`max`, `unique`, `group_by` and the comparison of arrays and objects look at 15 digits of a decimal, as floats do, and at
all digits of an integer.

## What jq has and flows do not

A mapping is a function of its record alone, so there is no `env`, `$ENV`, `now`, `localtime`, `strflocaltime`, `input`,
`inputs`, `debug`, `stderr`, `halt`, `halt_error`, and no `import`. A definition cannot call itself.

## Bounds

An expression without end or measure is ended, and its record becomes a dead letter that names the bound. No `try` catches
that. For one record, an expression may take

- 5 000 000 steps: items gone through, calls, rounds, fields made; a regex takes them by its compiled size times the text's
  length, so that one of 1 KiB (20 to 40 characters and classes, repetitions written out) goes through 16 MiB;
- 5 seconds of a processor, whatever else the machine does;
- texts of 16 MiB, arrays of 5 000 000 items, and values of 128 MiB as JSON, in all its outputs together;
- 128 levels of arrays and objects within each other;
- 100 000 outputs, and decimals of 1000 digits.
";

/// The added functions, each with its example, as Markdown.
pub fn document() -> String {
    let mut document = INTRODUCTION.to_owned();
    for subject in &SUBJECTS {
        document.push_str(&format!("\n## {}\n", subject.title));
        subject.functions.iter().for_each(|added| entry(&mut document, added));
    }
    document
}

fn entry(document: &mut String, added: &Added) {
    let Added { name, description, example, gives } = added;
    let description = wrapped(description);
    // Writing to a String does not fail.
    let _ = write!(document, "\n### `{name}`\n\n{description}\n\n```jq\n{example}   # {gives}\n```\n");
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
