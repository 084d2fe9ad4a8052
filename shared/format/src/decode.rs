//! Decoding of bodies whose chunks come one by one.

use pomost_expression::Value;

use crate::{
    BodyFormat, DecodeError, DecodeLimits, FormatSyntax, RowPath, charset::CharsetDecoder, csv,
    error::PlacedProblem, form::FormParser, json, json_lines::JsonLinesParser,
    row_parser::RowParser, text, text_buffer::TextBuffer, xml::XmlParser,
};

/// Reads a body: it is fed the chunks of the body, and returns the rows one by one.
///
/// After each chunk, take rows until there are none. Rows that are not taken stay in memory with
/// the next chunk. After [`RowDecoder::finish`] there may be more rows, or the error that the body
/// ends too early. An error is the last item. Neither rows nor errors depend on where the body is
/// cut into chunks.
pub struct RowDecoder {
    transcoder: CharsetDecoder,
    buffer: TextBuffer,
    rows: Box<dyn RowParser>,
    format: &'static str,
    row: u64,
    fault: Option<PlacedProblem>,
    failed: bool,
}

impl RowDecoder {
    /// A decoder of one body. `list` is the place of the rows in a JSON document. Without it the
    /// document is one row. Other formats have rows of their own and ignore it.
    pub fn new(format: &BodyFormat, list: Option<RowPath>) -> RowDecoder {
        let declares = matches!(format.syntax, FormatSyntax::Xml(_));
        RowDecoder {
            transcoder: CharsetDecoder::new(format.charset, declares),
            buffer: TextBuffer::default(),
            rows: rows(&format.syntax, list, format.limits),
            format: format.name(),
            row: 1,
            fault: None,
            failed: false,
        }
    }

    /// Takes the next chunk of the body. An error in it is returned in place of a row.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.decode(chunk, false);
    }

    /// Notes that the body has ended.
    pub fn finish(&mut self) {
        self.decode(&[], true);
        // After wrong characters the text is incomplete, so its end is not the end of the body.
        if self.fault.is_none() {
            self.buffer.end();
        }
    }

    /// The document without its rows, for paging expressions. A JSON list has no elements in it,
    /// and XML records are left out. A document that is one row is its own envelope. Null before
    /// the last row was taken, and in formats that have nothing but rows.
    pub fn envelope(&self) -> &Value {
        self.rows.envelope()
    }

    /// Number of bytes of the body that are held.
    pub fn buffered(&self) -> usize {
        self.transcoder.held() + self.buffer.len() + self.rows.held()
    }

    fn decode(&mut self, chunk: &[u8], last: bool) {
        if self.failed || self.fault.is_some() || self.buffer.ended() {
            return;
        }
        self.fault = self
            .transcoder
            .decode(chunk, self.buffer.tail(), last)
            .err();
    }

    fn read(&mut self) -> Result<Option<Value>, PlacedProblem> {
        match (self.rows.next(&mut self.buffer)?, self.fault.take()) {
            (Some(row), fault) => {
                self.fault = fault;
                self.row += 1;
                Ok(Some(row))
            }
            // All rows before the wrong characters have been returned.
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }
}

impl Iterator for RowDecoder {
    type Item = Result<Value, DecodeError>;

    /// The next row. None until more is fed, or for good once the body has ended.
    fn next(&mut self) -> Option<Result<Value, DecodeError>> {
        if self.failed {
            return None;
        }
        let row = self.read().map_err(|fault| {
            self.failed = true;
            fault.in_row(self.format, self.row)
        });
        row.transpose()
    }
}

/// Reads a whole body: its rows, and [the document around them](RowDecoder::envelope).
pub fn decode(
    format: &BodyFormat,
    list: Option<RowPath>,
    body: &[u8],
) -> Result<(Vec<Value>, Value), DecodeError> {
    let mut decoder = RowDecoder::new(format, list);
    decoder.feed(body);
    decoder.finish();
    let rows = decoder.by_ref().collect::<Result<_, _>>()?;
    Ok((rows, decoder.envelope().clone()))
}

fn rows(syntax: &FormatSyntax, list: Option<RowPath>, limits: DecodeLimits) -> Box<dyn RowParser> {
    match (syntax, list) {
        (FormatSyntax::Json, None) => Box::new(json::DocumentParser::new(limits)),
        (FormatSyntax::Json, Some(list)) => Box::new(json::ListParser::new(list, limits)),
        (FormatSyntax::JsonLines, _) => Box::new(JsonLinesParser::new(limits)),
        (FormatSyntax::Csv(options), _) => Box::new(csv::CsvParser::new(options, limits)),
        (FormatSyntax::Xml(options), _) => Box::new(XmlParser::new(options, limits)),
        (FormatSyntax::Text(options), _) => text::rows(options, limits),
        (FormatSyntax::Form, _) => Box::new(FormParser::new(limits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BodyEncoder;

    #[test]
    fn a_body_may_be_read_and_written_by_any_thread() {
        fn is_send<T: Send>() {}
        is_send::<RowDecoder>();
        is_send::<BodyEncoder>();
    }

    #[test]
    fn behind_an_error_and_behind_the_end_nothing_comes() {
        let mut decoder = RowDecoder::new(&FormatSyntax::JsonLines.into(), None);
        decoder.feed(b"1\nx\n2\n");
        assert!(matches!(decoder.next(), Some(Ok(_))));
        assert!(matches!(decoder.next(), Some(Err(_))));
        decoder.feed(b"3\n");
        decoder.finish();
        assert!(decoder.next().is_none());
        let mut decoder = RowDecoder::new(&FormatSyntax::JsonLines.into(), None);
        decoder.finish();
        decoder.feed(b"1\n");
        decoder.finish();
        assert!(decoder.next().is_none());
    }

    #[test]
    fn rows_before_characters_that_are_wrong_come_before_the_error() {
        let mut decoder = RowDecoder::new(&FormatSyntax::JsonLines.into(), None);
        decoder.feed(b"1\n2\n\"\xff\"\n3\n");
        assert_eq!(decoder.by_ref().filter(Result::is_ok).count(), 2);
        let mut decoder = RowDecoder::new(&FormatSyntax::JsonLines.into(), None);
        decoder.feed(b"1\n\"\xff\"\n");
        decoder.finish();
        let error = decoder
            .by_ref()
            .find_map(Result::err)
            .map(|error| error.to_string());
        let expected =
            "JSON Lines, row 2, byte 3: not UTF-8; give the encoding that the system sends";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
