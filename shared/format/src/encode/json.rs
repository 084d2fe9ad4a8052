//! Writing JSON.

use pomost_expression::{Value, write};

use crate::encode::RecordWriter;

/// Writes a record as a JSON text.
pub(crate) fn value(record: &Value, text: &mut String) -> Result<(), String> {
    text.push_str(&write(record).map_err(|error| error.to_string())?);
    Ok(())
}

/// Writes records as the elements of a JSON array.
#[derive(Default)]
pub(crate) struct JsonArrayWriter {
    has_elements: bool,
}

impl RecordWriter for JsonArrayWriter {
    fn begin(&mut self, text: &mut String) -> Result<(), String> {
        text.push('[');
        Ok(())
    }

    fn record(&mut self, record: &Value, text: &mut String) -> Result<(), String> {
        if std::mem::replace(&mut self.has_elements, true) {
            text.push(',');
        }
        value(record, text)
    }

    fn end(&mut self, text: &mut String) {
        text.push(']');
    }
}

/// Writes each record as a line of JSON.
pub(crate) struct JsonLinesWriter;

impl RecordWriter for JsonLinesWriter {
    fn record(&mut self, record: &Value, text: &mut String) -> Result<(), String> {
        value(record, text)?;
        text.push('\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::{Value, read};

    use crate::{BodyEncoder, BodyFormat, FormatSyntax, encode, encode_one};

    fn records() -> Vec<Value> {
        [r#"{"a":1.10,"b":"ż\n"}"#, "9007199254740993"]
            .map(|json| read(json.as_bytes()).unwrap())
            .into()
    }

    #[test]
    fn records_are_an_array_or_lines_and_one_is_itself() {
        let written = |format: &BodyFormat, records: &[Value]| {
            String::from_utf8(encode(format, records).unwrap()).unwrap()
        };
        let (json, lines) = (BodyFormat::default(), FormatSyntax::JsonLines.into());
        assert_eq!(
            written(&json, &records()),
            r#"[{"a":1.10,"b":"ż\n"},9007199254740993]"#
        );
        assert_eq!(written(&json, &[]), "[]");
        assert_eq!(
            written(&lines, &records()),
            "{\"a\":1.10,\"b\":\"ż\\n\"}\n9007199254740993\n"
        );
        assert_eq!(written(&lines, &[]), "");
        assert_eq!(
            encode_one(&json, &records()[1]).unwrap(),
            b"9007199254740993"
        );
        assert_eq!(
            encode_one(&lines, &records()[1]).unwrap(),
            b"9007199254740993\n"
        );
    }

    #[test]
    fn a_list_can_be_taken_piece_by_piece() {
        let mut encoder = BodyEncoder::new(&BodyFormat::default()).unwrap();
        let mut pieces = Vec::new();
        for record in records() {
            encoder.push(&record).unwrap();
            pieces.push(String::from_utf8(encoder.take()).unwrap());
        }
        pieces.push(String::from_utf8(encoder.finish().unwrap()).unwrap());
        assert_eq!(
            pieces,
            [r#"[{"a":1.10,"b":"ż\n"}"#, ",9007199254740993", "]"]
        );
    }

    #[test]
    fn what_json_lacks_is_an_error_that_names_the_record() {
        let error = encode(
            &BodyFormat::default(),
            &[Value::Null, Value::from(f64::NAN)],
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON, record 2: infinity or not a number, which JSON cannot express"
        );
    }
}
