//! The records of a table, field by field.

use csv_core::{ReadFieldResult, ReadRecordResult, Reader, ReaderBuilder};

use crate::{CsvOptions, DecodePlace, error::PlacedProblem, text::utf8, text_buffer::TextBuffer};

/// The number of bytes that are read at once.
const READ_STEP_BYTES: usize = 64 * 1024;

/// The highest number of fields in a record: as many as a spreadsheet has columns.
const MAX_FIELDS: usize = 16_384;

/// Takes one record after the other from a buffer. Blank lines are not records.
pub(crate) struct CsvRecordReader {
    reader: Reader,
    limit: usize,
    passed_lines: u64,
    line: u64,
    inside: bool,
    read: usize,
    text: Vec<u8>,
    text_length: usize,
    ends: Vec<usize>,
    fields: usize,
    /// The quote, where it is noted which fields have quotes.
    noted_quote: Option<u8>,
    /// True at the beginning of a field.
    at_field: bool,
    quoted: Vec<bool>,
}

impl CsvRecordReader {
    pub(crate) fn new(options: &CsvOptions, limit: usize) -> CsvRecordReader {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(options.delimiter).escape(options.escape);
        match options.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        CsvRecordReader {
            reader: builder.build(),
            limit,
            passed_lines: u64::from(options.skip),
            line: 1,
            inside: false,
            read: 0,
            text: Vec::new(),
            text_length: 0,
            ends: vec![0; 32],
            fields: 0,
            noted_quote: options.quote.filter(|_| options.nulls),
            at_field: true,
            quoted: Vec::new(),
        }
    }

    /// Reads the next record. False while its end is missing, and where there are no more.
    pub(crate) fn read(&mut self, buffer: &mut TextBuffer) -> Result<bool, PlacedProblem> {
        if !self.inside {
            self.begin(buffer);
        }
        while self.inside && (!buffer.is_empty() || buffer.ended()) {
            let at_end = buffer.is_empty();
            let result = self.step(buffer);
            if self.read > self.limit {
                return Err(PlacedProblem::too_large(self.place(), "a row", self.limit));
            }
            match result {
                ReadRecordResult::Record => {
                    self.inside = false;
                    return Ok(true);
                }
                ReadRecordResult::OutputEndsFull if self.fields < MAX_FIELDS => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(PlacedProblem::malformed(
                        self.place(),
                        format!("more than {MAX_FIELDS} fields"),
                    ));
                }
                _ if at_end => {
                    return Err(PlacedProblem::truncated(
                        self.place(),
                        "the quote that ends a field",
                    ));
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// The line on which the record begins.
    pub(crate) fn place(&self) -> DecodePlace {
        DecodePlace::Line(self.line)
    }

    /// Number of fields of the record.
    pub(crate) fn len(&self) -> usize {
        self.fields
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = String> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(self.ends[..self.fields].iter().copied());
        ranges.map(|(start, end)| utf8(&self.text[start..end]))
    }

    /// True where the field has quotes, if that is noted.
    pub(crate) fn is_quoted(&self, field: usize) -> bool {
        self.quoted.get(field).copied().unwrap_or_default()
    }

    /// Number of bytes of the record that are held.
    pub(crate) fn held(&self) -> usize {
        self.text_length
    }

    /// Skips the line breaks before a record and begins the record.
    fn begin(&mut self, buffer: &mut TextBuffer) {
        let breaks = buffer
            .bytes()
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.pass(breaks, buffer);
        self.inside = !buffer.is_empty();
        self.line = self.passed_lines + 1;
        (self.read, self.text_length, self.fields) = (0, 0, 0);
        self.quoted.clear();
        self.at_field = true;
    }

    /// Reads on. At the end of the body a line break is added. It ends every record, except one
    /// that lacks a closing quote.
    fn step(&mut self, buffer: &mut TextBuffer) -> ReadRecordResult {
        let bytes = buffer.bytes();
        let input = if bytes.is_empty() {
            b"\n"
        } else {
            &bytes[..bytes.len().min(READ_STEP_BYTES)]
        };
        let room = self.text_length + input.len();
        if self.text.len() < room {
            self.text.resize(room, 0);
        }
        let (result, read, written, ended) = match self.noted_quote {
            Some(quote) => self.read_field(input, quote),
            None => {
                let (text, ends) = (
                    &mut self.text[self.text_length..],
                    &mut self.ends[self.fields..],
                );
                self.reader.read_record(input, text, ends)
            }
        };
        self.text_length += written;
        self.fields += ended;
        self.read += read;
        self.pass(read, buffer);
        result
    }

    /// Reads on in one field. The first byte is checked here, because the reader removes the
    /// quotes.
    fn read_field(&mut self, input: &[u8], quote: u8) -> (ReadRecordResult, usize, usize, usize) {
        if self.fields == self.ends.len() {
            return (ReadRecordResult::OutputEndsFull, 0, 0, 0);
        }
        if std::mem::take(&mut self.at_field) {
            self.quoted.push(input.first() == Some(&quote));
        }
        let (result, read, written) = self
            .reader
            .read_field(input, &mut self.text[self.text_length..]);
        let (result, ended) = match result {
            ReadFieldResult::Field { record_end: true } => (ReadRecordResult::Record, 1),
            ReadFieldResult::Field { record_end: false } => (ReadRecordResult::OutputFull, 1),
            ReadFieldResult::OutputFull => (ReadRecordResult::OutputFull, 0),
            ReadFieldResult::InputEmpty => (ReadRecordResult::InputEmpty, 0),
            ReadFieldResult::End => (ReadRecordResult::End, 0),
        };
        if ended > 0 {
            self.ends[self.fields] = self.text_length + written;
            self.at_field = true;
        }
        (result, read, written, ended)
    }

    fn pass(&mut self, bytes: usize, buffer: &mut TextBuffer) {
        let passed = &buffer.bytes()[..bytes.min(buffer.len())];
        self.passed_lines += memchr::memchr_iter(b'\n', passed).count() as u64;
        buffer.consume(bytes);
    }
}
