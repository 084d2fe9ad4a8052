//! Reads JSON into values and writes it, digit for digit.

use jaq_json::{Num, read as jaq_read};
use serde::de::IgnoredAny;

use crate::Value;

/// Number of levels to which JSON may be nested: deeper input would overflow the stack of some
/// parser.
pub(crate) const MAX_DEPTH: usize = 128;

/// Number of characters of the longest number: reading an integer takes a time that grows with the
/// square of it.
const MAX_NUMBER_LENGTH: usize = 4096;

/// The reason why a text is not JSON.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("has a number of more than {MAX_NUMBER_LENGTH} characters")]
    TooLong,
    /// Not JSON (RFC 8259).
    #[error("not JSON at line {line} column {column}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
}

/// The reason why a value cannot be written as JSON.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}, which JSON cannot express")]
pub struct WriteError(&'static str);

const NOT_UTF8: WriteError = WriteError("text that is not UTF-8");

/// Reads one JSON text (RFC 8259, strictly). Numbers keep every digit.
pub fn read(bytes: &[u8]) -> Result<Value, ReadError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| ReadError::NotUtf8(error.valid_up_to()))?;
    if depth(bytes) > MAX_DEPTH {
        return Err(ReadError::TooDeep);
    }
    // jaq's reader takes comments, NaN and the like; serde_json's takes JSON alone.
    let not_json = |error: serde_json::Error| ReadError::NotJson {
        line: error.line(),
        column: error.column(),
    };
    serde_json::from_str::<IgnoredAny>(text).map_err(not_json)?;
    if may_have_long_number(bytes) && has_long_number(bytes) {
        return Err(ReadError::TooLong);
    }
    jaq_read::parse_single(bytes).map_err(|_| {
        // Half a surrogate pair passes the check above, which does not decode text.
        let error = serde_json::from_str::<serde_json::Value>(text).err();
        error.map_or(ReadError::NotJson { line: 1, column: 1 }, not_json)
    })
}

/// Writes a value as JSON. Numbers that were read are written as they were.
pub fn write(value: &Value) -> Result<String, WriteError> {
    let mut bytes = Vec::with_capacity(256);
    append(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

/// jaq's own writer formats each character, which takes several times as long.
fn append(out: &mut Vec<u8>, value: &Value) -> Result<(), WriteError> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(truth) => out.extend(if *truth { &b"true"[..] } else { b"false" }),
        Value::Num(Num::Dec(digits)) => out.extend(digits.as_bytes()),
        Value::Num(Num::Float(float)) if !float.is_finite() => {
            return Err(WriteError("infinity or not a number"));
        }
        Value::Num(number) => out.extend(number.to_string().as_bytes()),
        Value::TStr(text) => append_text(out, text)?,
        Value::BStr(_) => return Err(WriteError("bytes")),
        Value::Arr(items) => append_each(out, *b"[]", items.iter(), append)?,
        Value::Obj(fields) => append_each(out, *b"{}", fields.iter(), |out, (name, field)| {
            let Value::TStr(name) = name else {
                return Err(WriteError("a field whose name is not text"));
            };
            append_text(out, name)?;
            out.push(b':');
            append(out, field)
        })?,
    }
    Ok(())
}

fn append_each<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl Iterator<Item = T>,
    append: impl Fn(&mut Vec<u8>, T) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    out.push(open);
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        append(out, item)?;
    }
    out.push(close);
    Ok(())
}

fn append_text(out: &mut Vec<u8>, text: &[u8]) -> Result<(), WriteError> {
    let text = std::str::from_utf8(text).map_err(|_| NOT_UTF8)?;
    serde_json::to_writer(out, text).map_err(|_| WriteError("text that cannot be written"))
}

/// The part of a JSON pointer that leads to a field or an item of this name (RFC 6901 §3).
pub fn pointer_part(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The text of a scalar: a text as it is, a number by its digits, `true` or `false`.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::TStr(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        Value::Num(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The value as JSON of `serde_json`. A number that this cannot hold becomes the nearest float.
pub fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Num(number) => number_to_json(number),
        Value::BStr(bytes) | Value::TStr(bytes) => {
            Json::String(String::from_utf8_lossy(bytes).into_owned())
        }
        Value::Arr(items) => items.iter().map(to_json).collect(),
        Value::Obj(fields) => fields
            .iter()
            .map(|(name, field)| (text(name).unwrap_or_default(), to_json(field)))
            .collect(),
    }
}

fn number_to_json(number: &Num) -> serde_json::Value {
    match number {
        Num::Int(integer) => (*integer as i64).into(),
        Num::Float(float) => (*float).into(),
        // JSON's numbers have no bounds, so what is beyond a float's is still a number.
        other => other
            .to_string()
            .parse::<f64>()
            .unwrap_or(f64::MAX)
            .clamp(f64::MIN, f64::MAX)
            .into(),
    }
}

/// The number of levels to which a text is nested. Brackets in strings do not count.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// True where a number may be too long: a long number covers one of these few places.
fn may_have_long_number(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .skip(MAX_NUMBER_LENGTH)
        .step_by(MAX_NUMBER_LENGTH)
        .any(|byte| is_of_number(*byte))
}

/// True where JSON has a number that is too long. The characters of numbers in strings do not
/// count.
fn has_long_number(bytes: &[u8]) -> bool {
    let (mut length, mut in_string, mut escaped) = (0_usize, false, false);
    bytes.iter().any(|&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        length = if !in_string && is_of_number(byte) {
            length + 1
        } else {
            0
        };
        length > MAX_NUMBER_LENGTH
    })
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.eE".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_read_is_written_byte_for_byte() {
        for json in [
            r#"{"b":1.10,"a":[1E5,-0.5,true,null]}"#,
            r#""żółw \" \\ \n 🐢""#,
            "9007199254740993",
            "{}",
            "[]",
        ] {
            assert_eq!(write(&read(json.as_bytes()).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn control_characters_stay_escaped() {
        let json = r#""\u0000\u001f\u2028""#;
        let written = write(&read(json.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            serde_json::from_str::<String>(&written).unwrap(),
            "\0\u{1f}\u{2028}"
        );
    }

    #[test]
    fn what_is_not_strictly_json_is_refused() {
        let bad = [
            "",
            "NaN",
            "Infinity",
            "# comment\n1",
            "b\"x\"",
            "[1,]",
            "{a:1}",
            "1 2",
            "'a'",
            "+1",
            "01",
            "\"\\ud800\"",
            "\"\\x41\"",
        ];
        for json in bad {
            assert!(
                matches!(read(json.as_bytes()), Err(ReadError::NotJson { .. })),
                "{json}"
            );
        }
        assert_eq!(read(b"\"\xff\"").unwrap_err(), ReadError::NotUtf8(1));
        assert_eq!(
            read(b"[1,\n\"\\ud800\"]").unwrap_err(),
            ReadError::NotJson { line: 2, column: 8 }
        );
    }

    #[test]
    fn deep_nesting_is_refused_and_brackets_in_text_are_not_nesting() {
        assert_eq!(
            read("[".repeat(200_000).as_bytes()).unwrap_err(),
            ReadError::TooDeep
        );
        assert!(read(format!("\"{}\"", "[".repeat(1000)).as_bytes()).is_ok());
        assert!(read(format!("{}{}", "[".repeat(128), "]".repeat(128)).as_bytes()).is_ok());
    }

    #[test]
    fn what_json_lacks_is_not_written() {
        assert!(write(&Value::from(f64::NAN)).is_err());
        assert!(write(&Value::from(f64::INFINITY)).is_err());
    }

    #[test]
    fn a_number_that_is_too_long_is_refused_and_long_digits_in_text_are_not() {
        for number in [
            "9".repeat(4097),
            format!("-1.{}", "0".repeat(3_000_000)),
            "7".repeat(3_000_000),
        ] {
            for json in [
                number.clone(),
                format!("{{\"a\":\"\\\"\",\"b\":[{number}]}}"),
            ] {
                assert_eq!(read(json.as_bytes()).unwrap_err(), ReadError::TooLong);
            }
            assert!(read(format!("[\"\\\"{number}\\\"{number}\"]").as_bytes()).is_ok());
        }
        assert!(read(format!("[{}]", "1.5,".repeat(100_000) + "1").as_bytes()).is_ok());
    }

    #[test]
    fn huge_numbers_do_not_panic() {
        for json in ["1e999999", "-1e-999999", &"9".repeat(4096)] {
            let value = read(json.as_bytes()).unwrap();
            assert_eq!(write(&value).unwrap(), json);
            assert!(to_json(&value).is_number());
        }
    }
}
