//! JSON Lines: a JSON text on each line.

use pomost_expression::Value;

use crate::{
    DecodeLimits, DecodePlace, error::PlacedProblem, json::read_strictly,
    line_scanner::LineScanner, row_parser::RowParser, text_buffer::TextBuffer,
};

/// Reads a JSON text from each line. Blank lines are not rows.
pub(crate) struct JsonLinesParser {
    limit: usize,
    lines: LineScanner,
}

impl JsonLinesParser {
    pub(crate) fn new(limits: DecodeLimits) -> JsonLinesParser {
        JsonLinesParser {
            limit: limits.row,
            lines: LineScanner::default(),
        }
    }
}

impl RowParser for JsonLinesParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        while let Some(line) = self.lines.find(buffer, self.limit)? {
            let bytes = &buffer.bytes()[..line.text];
            let is_last = buffer.ended() && line.whole == buffer.len();
            let row = (!bytes.trim_ascii().is_empty())
                .then(|| read_strictly(bytes, is_last))
                .transpose();
            let row = row.map_err(|error| {
                let place = DecodePlace::Column {
                    line: self.lines.number(),
                    column: error.index as u64 + 1,
                };
                PlacedProblem {
                    place,
                    problem: error.problem,
                }
            })?;
            self.lines.pass(&line, buffer);
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::write;

    use crate::{BodyFormat, DecodeError, DecodeLimits, FormatSyntax, decode};

    fn rows(body: &str) -> Result<Vec<String>, DecodeError> {
        let (rows, _) = decode(&FormatSyntax::JsonLines.into(), None, body.as_bytes())?;
        Ok(rows.iter().map(|row| write(row).unwrap()).collect())
    }

    #[test]
    fn each_line_is_a_row_and_blank_lines_are_none() {
        assert_eq!(
            rows("{\"a\":1.10}\r\n\n  \n[2]\n\"x\"").unwrap(),
            ["{\"a\":1.10}", "[2]", "\"x\""]
        );
        assert_eq!(rows("").unwrap(), Vec::<String>::new());
        assert_eq!(rows("\n\r\n").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_line_is_named_by_row_line_and_column() {
        let error = rows("{}\n\n{\"secret\": xyzzy}\n{}\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON Lines, row 2, line 3 column 12: expected JSON as RFC 8259 has it"
        );
        let error = rows("{}\n{\"a\":").unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON Lines, row 2, line 2 column 6: the body ends here; expected the rest of a JSON value"
        );
        let error = rows("{}\n{\"a\":\n{}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON Lines, row 2, line 2 column 5: expected JSON as RFC 8259 has it"
        );
        assert!(rows("{} {}\n").is_err());
    }

    #[test]
    fn a_line_that_is_too_long_is_refused() {
        let limits = DecodeLimits {
            row: 10,
            ..DecodeLimits::default()
        };
        let format = BodyFormat {
            limits,
            ..FormatSyntax::JsonLines.into()
        };
        let error = decode(&format, None, b"[1]\n[1,2,3,4,5,6]\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "JSON Lines, row 2, line 2: a line is longer than 10 bytes"
        );
    }
}
