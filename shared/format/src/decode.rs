//! Reading a body as its chunks come.

use pomost_expression::Value;

use crate::{
    BodyFormat, DecodeError, DecodeLimits, FormatSyntax, RowPath, buffer::Buffer,
    charset::Transcoder, csv, error::Fault, form::Form, json, json_lines::JsonLines, text,
    xml::Xml,
};

/// Reads a body: fed its chunks, it gives its rows one by one.
///
/// After each chunk take rows until there is none: what is not taken stays in memory with the next
/// chunk. After [`RowDecoder::finish`] there may be more of them, or the error that the body ends too
/// early. An error is the last thing that comes. Neither rows nor errors depend on where a body is
/// cut into chunks.
pub struct RowDecoder {
    transcoder: Transcoder,
    buffer: Buffer,
    rows: Box<dyn Rows>,
    format: &'static str,
    row: u64,
    fault: Option<Fault>,
    failed: bool,
}

/// Makes rows of text as it comes.
pub(crate) trait Rows: Send {
    /// The next row, taken from the buffer. None where the buffer has no complete one, which is the
    /// end of the body where the buffer has ended.
    fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Value>, Fault>;

    /// What stands around the rows, once the body has ended.
    fn rest(&self) -> &Value {
        &Value::Null
    }

    /// How many bytes are held beside the buffer.
    fn held(&self) -> usize {
        0
    }
}

impl RowDecoder {
    /// A decoder of one body. `list` is where the rows are in a JSON document; without it the
    /// document is one row. Other formats have rows of their own and ignore it.
    pub fn new(format: &BodyFormat, list: Option<RowPath>) -> RowDecoder {
        let declares = matches!(format.syntax, FormatSyntax::Xml(_));
        RowDecoder {
            transcoder: Transcoder::new(format.charset, declares),
            buffer: Buffer::default(),
            rows: rows(&format.syntax, list, format.limits),
            format: format.name(),
            row: 1,
            fault: None,
            failed: false,
        }
    }

    /// Takes the next chunk of the body. What is wrong with it comes out in place of a row.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.decode(chunk, false);
    }

    /// Notes that the body has ended: no chunk follows.
    pub fn finish(&mut self) {
        self.decode(&[], true);
        // What follows characters that went wrong is not the body's end.
        if self.fault.is_none() {
            self.buffer.end();
        }
    }

    /// The document without its rows: what a paging expression is evaluated on. A JSON list is left
    /// in it without elements, XML records are left out; a document that is one row is itself. Null
    /// before the last row was taken, and for formats that have nothing but rows.
    pub fn envelope(&self) -> &Value {
        self.rows.rest()
    }

    /// How many bytes of the body are held.
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

    fn read(&mut self) -> Result<Option<Value>, Fault> {
        match (self.rows.next(&mut self.buffer)?, self.fault.take()) {
            (Some(row), fault) => {
                self.fault = fault;
                self.row += 1;
                Ok(Some(row))
            }
            // Rows that were complete before the characters went wrong have been given.
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }
}

impl Iterator for RowDecoder {
    type Item = Result<Value, DecodeError>;

    /// The next row; none until more is fed, or for good once the body has ended.
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

/// Reads a body that has come as a whole: its rows, and [what stands around them](Decoder::rest).
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

fn rows(syntax: &FormatSyntax, list: Option<RowPath>, limits: DecodeLimits) -> Box<dyn Rows> {
    match (syntax, list) {
        (FormatSyntax::Json, None) => Box::new(json::Document::new(limits)),
        (FormatSyntax::Json, Some(list)) => Box::new(json::List::new(list, limits)),
        (FormatSyntax::JsonLines, _) => Box::new(JsonLines::new(limits)),
        (FormatSyntax::Csv(options), _) => Box::new(csv::Table::new(options, limits)),
        (FormatSyntax::Xml(options), _) => Box::new(Xml::new(options, limits)),
        (FormatSyntax::Text(options), _) => text::rows(options, limits),
        (FormatSyntax::Form, _) => Box::new(Form::new(limits)),
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
