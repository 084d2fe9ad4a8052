//! Writing plain text.

use pomost_expression::{Value, text};

use crate::encode::RecordWriter;

/// Writes a record, which must be a text, a number or a boolean.
pub(crate) fn value(record: &Value, written: &mut String) -> Result<(), String> {
    written.push_str(
        &text(record).ok_or_else(|| format!("expected text; found {}", kind_name(record)))?,
    );
    Ok(())
}

/// Writes each record as a line.
pub(crate) struct TextLinesWriter;

impl RecordWriter for TextLinesWriter {
    fn record(&mut self, record: &Value, written: &mut String) -> Result<(), String> {
        let before = written.len();
        value(record, written)?;
        if written[before..].contains(['\r', '\n']) {
            return Err("a text with a line break, which would be two lines".into());
        }
        written.push('\n');
        Ok(())
    }
}

/// The kind of a value, for errors.
pub(crate) fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Num(_) => "a number",
        Value::TStr(_) => "text",
        Value::BStr(_) => "bytes",
        Value::Arr(_) => "a list",
        Value::Obj(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::{FormatSyntax, TextOptions, encode, encode_one};

    use super::*;

    #[test]
    fn a_text_is_itself_and_several_are_lines() {
        let format = FormatSyntax::Text(TextOptions::default()).into();
        let texts = ["a", "ż", ""].map(|text| Value::from(text.to_owned()));
        assert_eq!(encode(&format, &texts).unwrap(), "a\nż\n\n".as_bytes());
        assert_eq!(
            encode_one(&format, &Value::from("a\nb".to_owned())).unwrap(),
            b"a\nb"
        );
        assert_eq!(encode_one(&format, &Value::from(5_usize)).unwrap(), b"5");
        assert!(encode(&format, &[Value::from("a\nb".to_owned())]).is_err());
        let error = encode_one(&format, &Value::Null).unwrap_err().to_string();
        assert_eq!(error, "text, record 1: expected text; found null");
    }
}
