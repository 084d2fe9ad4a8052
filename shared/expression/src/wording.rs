//! The words that are shown for errors in jq's own words: these hold values of the record, of which
//! only the types are shown.

use crate::{
    Value,
    functions::{errors, paths},
};

/// The function that puts a caught error into jq's words.
pub(crate) const IN_JQS_WORDS: &str = "in jq's words!";

/// jq's wording with `{}` for each value (`string ("Ada")`) or its type (`string`), and the wording
/// that is shown, with `{}` for the type.
const FORMS: &[(&str, &str)] = &[
    ("Cannot index {} with {}", "cannot index {} with {}"),
    (
        "Cannot iterate over {}",
        "cannot iterate over {}: expected an array or an object",
    ),
    ("{} and {} cannot be added", "cannot calculate {} + {}"),
    ("{} and {} cannot be subtracted", "cannot calculate {} - {}"),
    ("{} and {} cannot be multiplied", "cannot calculate {} * {}"),
    ("{} and {} cannot be divided", "cannot calculate {} / {}"),
    (
        "{} and {} cannot be divided (remainder)",
        "cannot calculate {} % {}",
    ),
    (
        "{} and {} cannot be divided because the divisor is zero",
        "expected a divisor other than 0",
    ),
    (
        "{} and {} cannot be divided (remainder) because the divisor is zero",
        "expected a divisor other than 0",
    ),
    (
        "{} cannot be negated",
        "cannot calculate -{}: expected a number",
    ),
    (
        "Cannot use {} as object key",
        "cannot name a field by {}: expected text",
    ),
    (
        "Cannot delete {} element of array",
        "cannot delete an item of an array by {}",
    ),
    (
        "Cannot delete {} field of object",
        "cannot delete a field of an object by {}",
    ),
    (
        "Cannot delete fields from {}",
        "cannot delete from {}: expected an array or an object",
    ),
    (
        "Cannot update field at {} index of array",
        "cannot set an item of an array by {}",
    ),
    (
        "Path must be specified as array, not {}",
        "expected a path as an array, found {}",
    ),
    (
        "Path must be specified as an array",
        "expected a path as an array",
    ),
    (
        "Paths must be specified as an array",
        "expected an array of paths",
    ),
    ("Path too deep", "expected a path of at most 128 keys"),
    (
        "Out of bounds negative array index",
        "cannot set an item before the first one of an array",
    ),
    (
        "Array index too large",
        "cannot set an item after the last one that an array may have",
    ),
    (
        "Cannot set array element at NaN index",
        "cannot set an item by what is not a number",
    ),
    ("Cannot update string slices", "cannot set a part of a text"),
    (
        "A slice of an array can only be assigned another array",
        "expected an array to set a part of an array to",
    ),
    (
        "Array/string slice indices must be integers",
        "expected numbers or null for the ends of a part",
    ),
    (
        "limit doesn't support negative count",
        "expected a count of 0 or more for limit",
    ),
    (
        "skip doesn't support negative count",
        "expected a count of 0 or more for skip",
    ),
    (
        "nth doesn't support negative indices",
        "expected a place of 0 or more for nth",
    ),
];

/// jq's names of types, and those that are shown.
const TYPES: [(&str, &str); 6] = [
    ("string", "text"),
    ("number", "number"),
    ("boolean", "boolean"),
    ("null", "null"),
    ("array", "array"),
    ("object", "object"),
];

/// The message that is shown for one in jq's words. A value that is written in the expression is
/// shown as well.
pub(crate) fn shown(message: &str, is_written: &dyn Fn(&str) -> bool) -> Option<String> {
    FORMS.iter().chain(errors::FORMS).find_map(|(form, shown)| {
        let values = values(message, form)?;
        let mut types = values.into_iter();
        let mut text = String::new();
        for (place, part) in shown.split("{}").enumerate() {
            if place > 0 {
                text.push_str(&described(types.next()?, is_written)?);
            }
            text.push_str(part);
        }
        Some(text)
    })
}

/// A caught error in jq's words: jaq has some of its own for what `.a` and `.[]` cannot do.
pub(crate) fn in_jqs_words(caught: Value) -> Value {
    let Value::TStr(message) = &caught else {
        return caught;
    };
    let message = String::from_utf8_lossy(message);
    let looked_up = || {
        let (value, key) = message
            .strip_prefix("cannot index ")?
            .rsplit_once(" with ")?;
        let key = crate::read(key.as_bytes()).ok()?;
        Some(format!(
            "Cannot index {} with {}",
            kind_of(value),
            paths::described(&key)
        ))
    };
    let gone_through = || {
        let value = message
            .strip_prefix("cannot use ")?
            .strip_suffix(" as iterable (array or object)")?;
        Some(format!(
            "Cannot iterate over {}",
            paths::described_as(kind_of(value), &value)
        ))
    };
    looked_up()
        .or_else(gone_through)
        .map_or_else(|| caught.clone(), Value::from)
}

/// jq's name for the type of a value, by how it is written.
pub(crate) fn kind_of(written: &str) -> &'static str {
    match written.bytes().next() {
        Some(b'"') => "string",
        Some(b'[') => "array",
        Some(b'{') => "object",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// The texts in a message that stand in the places of a form's values. A value may hold any text.
fn values<'m>(message: &'m str, form: &str) -> Option<Vec<&'m str>> {
    let Some((before, after)) = form.split_once("{}") else {
        return (message == form).then(Vec::new);
    };
    let rest = message.strip_prefix(before)?;
    match after.split_once("{}") {
        None => rest
            .strip_suffix(after)
            .filter(|value| is_value(value))
            .map(|value| vec![value]),
        Some((between, after)) => {
            let rest = rest.strip_suffix(after)?;
            let mut splits = rest
                .match_indices(between)
                .map(|(place, _)| (&rest[..place], &rest[place + between.len()..]));
            splits
                .find(|(one, other)| is_value(one) && is_value(other))
                .map(|(one, other)| vec![one, other])
        }
    }
}

fn is_value(text: &str) -> bool {
    TYPES
        .iter()
        .filter_map(|(kind, _)| text.strip_prefix(kind))
        .any(|rest| rest.is_empty() || rest.starts_with(" (") && rest.ends_with(')'))
}

/// The type of a value; the value where it is written.
fn described(value: &str, is_written: &dyn Fn(&str) -> bool) -> Option<String> {
    let (kind, name) = TYPES.iter().find(|(kind, _)| value.starts_with(kind))?;
    let written = value
        .strip_prefix(kind)?
        .strip_prefix(" (")
        .and_then(|value| value.strip_suffix(')'));
    let is_shown = |text: &&str| *kind == "string" && is_written(text.trim_matches('"'));
    Some(
        written
            .filter(is_shown)
            .map_or_else(|| (*name).to_owned(), str::to_owned),
    )
}
