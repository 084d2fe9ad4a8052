//! Plain text.

use pomost_expression::Value;

use crate::{
    DecodeLimits, error::PlacedProblem, line_scanner::LineScanner, row_parser::RowParser,
    text_buffer::TextBuffer,
};

/// Settings of plain text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextOptions {
    /// True where each line is a row. Otherwise the whole text is one row.
    pub lines: bool,
}

/// The parser of plain text.
pub(crate) fn rows(options: &TextOptions, limits: DecodeLimits) -> Box<dyn RowParser> {
    if options.lines {
        Box::new(TextLinesParser {
            limit: limits.row,
            lines: LineScanner::default(),
        })
    } else {
        Box::new(WholeTextParser {
            limit: limits.document,
            text: None,
        })
    }
}

/// Reads each line as a row, without its line break.
struct TextLinesParser {
    limit: usize,
    lines: LineScanner,
}

impl RowParser for TextLinesParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        let Some(line) = self.lines.find(buffer, self.limit)? else {
            return Ok(None);
        };
        let row = Value::utf8_str(utf8(&buffer.bytes()[..line.text]));
        self.lines.pass(&line, buffer);
        Ok(Some(row))
    }
}

/// Reads the whole text as one row.
struct WholeTextParser {
    limit: usize,
    /// The text, once it has ended.
    text: Option<Value>,
}

impl RowParser for WholeTextParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        if buffer.len() > self.limit {
            return Err(PlacedProblem::too_large(
                buffer.place(),
                "the text",
                self.limit,
            ));
        }
        if self.text.is_some() || !buffer.ended() {
            return Ok(None);
        }
        self.text = Some(Value::utf8_str(utf8(buffer.bytes())));
        buffer.consume(buffer.len());
        Ok(self.text.clone())
    }

    fn envelope(&self) -> &Value {
        self.text.as_ref().unwrap_or(&Value::Null)
    }
}

/// The text of bytes from a buffer. Buffers contain UTF-8, so nothing is replaced.
pub(crate) fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_expression::text;

    use crate::{
        BodyFormat, Charset, DecodeError, DecodeLimits, FormatSyntax, TextOptions, decode,
    };

    fn rows(lines: bool, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        let charset = Charset::of_label("windows-1250");
        let limits = DecodeLimits {
            row: 10,
            document: 20,
        };
        let format = BodyFormat {
            syntax: FormatSyntax::Text(TextOptions { lines }),
            charset,
            limits,
        };
        let (rows, _) = decode(&format, None, body)?;
        Ok(rows.iter().map(|row| text(row).unwrap()).collect())
    }

    #[test]
    fn a_text_is_one_row_or_a_row_for_each_line() {
        assert_eq!(
            rows(false, b"\xbf\xf3\xb3w\r\n2\n").unwrap(),
            ["żółw\r\n2\n"]
        );
        assert_eq!(rows(false, b"").unwrap(), [""]);
        assert_eq!(
            rows(true, b"\xbf\xf3\xb3w\r\n\n2").unwrap(),
            ["żółw", "", "2"]
        );
        assert_eq!(rows(true, b"1\n").unwrap(), ["1"]);
        assert_eq!(rows(true, b"").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_text_that_is_one_row_is_there_for_what_leads_to_the_next_page() {
        let (_, rest) = decode(
            &FormatSyntax::Text(TextOptions::default()).into(),
            None,
            "next: 2".as_bytes(),
        )
        .unwrap();
        assert_eq!(text(&rest).unwrap(), "next: 2");
    }

    #[test]
    fn a_text_or_line_that_is_too_long_is_refused() {
        assert_eq!(
            rows(false, &[b'x'; 21]).unwrap_err().to_string(),
            "text, row 1, byte 0: the text is longer than 20 bytes"
        );
        assert_eq!(
            rows(true, b"1\n2\n12345678901\n").unwrap_err().to_string(),
            "text, row 3, line 3: a line is longer than 10 bytes"
        );
    }
}
