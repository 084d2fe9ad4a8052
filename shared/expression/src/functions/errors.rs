//! The errors of jq's functions that do not convert, in jq's words, which those who catch errors
//! know. They hold values of the record, of which only the types are shown to others.

use jaq_core::Error;

use super::paths::described;
use crate::Value;

/// jq's words with `{}` for each value, and the words that are shown instead.
pub(crate) const FORMS: &[(&str, &str)] = &[
    (
        "{} cannot be parsed as a number",
        "expected text that is a number, such as 12.50",
    ),
    (
        "{} cannot be parsed as a boolean",
        "expected a boolean, or text that is true or false; found {}",
    ),
    (
        "{} only strings have UTF-8 byte length",
        "cannot measure {} in bytes: expected text",
    ),
    ("{} has no length", "{} has no length"),
    (
        "{} cannot be searched from",
        "cannot search {}: expected an array in its order",
    ),
    (
        "{} cannot be matched, as it is not a string",
        "cannot search {} for a regex: expected text",
    ),
    ("{} is not a string", "expected text, found {}"),
    (
        "{} is not valid base64 data",
        "expected Base64 of text in UTF-8",
    ),
    (
        "{} trailing base64 byte found",
        "expected Base64 of text in UTF-8",
    ),
    (
        "{} is not a valid uri encoding",
        "expected percent-encoded text, such as a%20b",
    ),
    (
        "{} cannot be csv-formatted, only array",
        "cannot write {} as a row: expected an array",
    ),
    (
        "{} cannot be tsv-formatted, only array",
        "cannot write {} as a row: expected an array",
    ),
    (
        "{} is not valid in a csv row",
        "expected text, a number, a boolean or null in a row, found {}",
    ),
    (
        "{} can not be escaped for shell",
        "expected text, a number, a boolean or null to quote for a shell, found {}",
    ),
    (
        "{} and {} cannot have their containment checked",
        "cannot look in {} for {}",
    ),
    (
        "{} can't be imploded, unicode codepoint needs to be numeric",
        "expected an array of numbers of Unicode characters, found {}",
    ),
    (
        "{} number required",
        "cannot calculate with {}: expected a number",
    ),
    (
        "implode input must be an array",
        "expected an array of numbers of Unicode characters",
    ),
    ("trim input must be a string", "expected text to trim"),
    (
        "startswith() requires string inputs",
        "expected text, and text as its beginning",
    ),
    (
        "endswith() requires string inputs",
        "expected text, and text as its end",
    ),
    (
        "split input and separator must be strings",
        "expected text to split, and text to split by",
    ),
    (
        "explode input must be a string",
        "expected text to take apart",
    ),
    (
        "Range bounds must be numeric",
        "expected numbers for the ends of a range",
    ),
    (
        "flatten depth must not be negative",
        "expected a depth of at least 0",
    ),
    (
        "gmtime() requires numeric inputs",
        "expected a time in seconds since 1970",
    ),
    ("mktime requires array inputs", PARTS),
    ("mktime requires parsed datetime inputs", PARTS),
    (
        "strftime/1 requires parsed datetime inputs",
        "expected a time in seconds since 1970, or as gmtime gives it",
    ),
    (
        "strftime/1 requires a string format",
        "expected a format of strftime as text",
    ),
    (
        "strptime/1 requires string inputs and arguments",
        "expected text, and a format of strptime as text",
    ),
];

const PARTS: &str = "expected a time as gmtime gives it: an array of year, month (from 0), day, and more down to seconds";

/// An error about a value.
pub(super) fn of(value: &Value, words: &str) -> Error<Value> {
    Error::str(format!("{} {words}", described(value)))
}

/// An error about two values.
pub(super) fn of_two(value: &Value, other: &Value, words: &str) -> Error<Value> {
    Error::str(format!(
        "{} and {} {words}",
        described(value),
        described(other)
    ))
}
