//! A JSON document that is one row.

use pomost_expression::Value;

use crate::{
    DecodeLimits, DecodePlace, error::PlacedProblem, json::read_strictly, row_parser::RowParser,
    text_buffer::TextBuffer,
};

/// Reads a document as one row. The document is also its own envelope.
pub(crate) struct DocumentParser {
    limit: usize,
    value: Value,
    done: bool,
}

impl DocumentParser {
    pub(crate) fn new(limits: DecodeLimits) -> DocumentParser {
        DocumentParser {
            limit: limits.document,
            value: Value::Null,
            done: false,
        }
    }
}

impl RowParser for DocumentParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        if buffer.len() > self.limit {
            return Err(PlacedProblem::too_large(
                buffer.place(),
                "the document",
                self.limit,
            ));
        }
        if self.done || !buffer.ended() {
            return Ok(None);
        }
        self.value = read_strictly(buffer.bytes(), true).map_err(|error| {
            let place = DecodePlace::Byte(buffer.offset() + error.index as u64);
            PlacedProblem {
                place,
                problem: error.problem,
            }
        })?;
        self.done = true;
        buffer.consume(buffer.len());
        Ok(Some(self.value.clone()))
    }

    fn envelope(&self) -> &Value {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::write;

    use crate::{BodyFormat, DecodeLimits, DecodeProblem, decode};

    #[test]
    fn a_document_is_one_row_and_its_own_rest() {
        let json = r#"{"total":1.10,"big":9007199254740993,"rows":[{"a":"ż"}]}"#;
        let (rows, rest) = decode(&BodyFormat::default(), None, json.as_bytes()).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(write(&rows[0]).unwrap(), json);
        assert_eq!(write(&rest).unwrap(), json);
    }

    #[test]
    fn a_document_that_is_no_json_is_an_error_with_its_place_and_without_its_values() {
        let error = decode(
            &BodyFormat::default(),
            None,
            b"{\"secret\": \"xyzzy\" oops}",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON, row 1, byte 19: expected JSON as RFC 8259 has it"
        );
        let error = decode(&BodyFormat::default(), None, b"{\"secret\": \"xyz").unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON, row 1, byte 15: the body ends here; expected the rest of a JSON value"
        );
    }

    #[test]
    fn a_document_that_is_too_long_or_too_deep_is_refused() {
        let limits = DecodeLimits {
            document: 10,
            ..DecodeLimits::default()
        };
        let error = decode(
            &BodyFormat {
                limits,
                ..BodyFormat::default()
            },
            None,
            b"[1,2,3,4,5,6]",
        )
        .unwrap_err();
        assert_eq!(
            error.problem,
            DecodeProblem::TooLarge {
                what: "the document",
                limit: 10
            }
        );
        for deep in [
            "[".repeat(100_000),
            format!("{}{}", "[".repeat(129), "]".repeat(129)),
        ] {
            let error = decode(&BodyFormat::default(), None, deep.as_bytes()).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("a JSON value nested deeper than 128 levels"),
                "{error}"
            );
        }
    }
}
