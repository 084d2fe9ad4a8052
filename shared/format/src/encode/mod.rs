//! Writing records.

mod csv;
mod form;
mod json;
mod text;
mod xml;

use encoding_rs::EncoderResult;
use pomost_expression::Value;

use crate::{BodyFormat, Charset, FormatSyntax};

/// An error in a record that cannot be written in a format. It contains no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{format}, record {record}: {message}")]
pub struct EncodeError {
    pub format: &'static str,
    /// The number of the record, from 1.
    pub record: usize,
    pub message: String,
}

/// Writes one record as a body: a JSON text, a table with one row, an XML document, a form or a
/// text.
///
/// The root element of an XML document is the record, with the name that the format gives it.
/// Without such a name the root element is the record's only field.
pub fn encode_one(format: &BodyFormat, record: &Value) -> Result<Vec<u8>, EncodeError> {
    let failed = |message| EncodeError {
        format: format.name(),
        record: 1,
        message,
    };
    let mut text = String::new();
    match &format.syntax {
        FormatSyntax::Json => json::value(record, &mut text),
        FormatSyntax::Form => form::value(record, &mut text),
        FormatSyntax::Text(_) => text::value(record, &mut text),
        FormatSyntax::Xml(options) => xml::document(options, charset(format), record, &mut text),
        FormatSyntax::JsonLines | FormatSyntax::Csv(_) => {
            return encode(format, std::slice::from_ref(record));
        }
    }
    .map_err(failed)?;
    let mut bytes = Vec::new();
    CharsetEncoder::new(format)
        .and_then(|mut characters| characters.write(&text, &mut bytes, true))
        .map_err(failed)?;
    Ok(bytes)
}

/// Writes a list of records as a body: a JSON array, JSON Lines, a table, an XML document with an
/// element for each, or a line of text for each.
pub fn encode(format: &BodyFormat, records: &[Value]) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = BodyEncoder::new(format)?;
    records.iter().try_for_each(|record| encoder.push(record))?;
    encoder.finish()
}

/// Writes a list of records, one by one.
///
/// After an error the bytes that were written must not be used.
pub struct BodyEncoder {
    format: &'static str,
    writer: Box<dyn RecordWriter>,
    characters: CharsetEncoder,
    records: usize,
    text: String,
    bytes: Vec<u8>,
}

/// Writes the records of a list as text.
pub(crate) trait RecordWriter: Send {
    /// Writes the text before the records.
    fn begin(&mut self, _text: &mut String) -> Result<(), String> {
        Ok(())
    }

    /// Writes a record.
    fn record(&mut self, record: &Value, text: &mut String) -> Result<(), String>;

    /// Writes the text after the records.
    fn end(&mut self, _text: &mut String) {}
}

impl BodyEncoder {
    /// An encoder of one list.
    pub fn new(format: &BodyFormat) -> Result<BodyEncoder, EncodeError> {
        let failed = |message| EncodeError {
            format: format.name(),
            record: 1,
            message,
        };
        let mut writer = writer(format).map_err(failed)?;
        let mut text = String::new();
        writer.begin(&mut text).map_err(failed)?;
        let characters = CharsetEncoder::new(format).map_err(failed)?;
        Ok(BodyEncoder {
            format: format.name(),
            writer,
            characters,
            records: 0,
            text,
            bytes: Vec::new(),
        })
    }

    /// Writes a record.
    pub fn push(&mut self, record: &Value) -> Result<(), EncodeError> {
        self.records += 1;
        self.writer
            .record(record, &mut self.text)
            .map_err(|message| self.failed(message))?;
        self.write_characters(false)
    }

    /// Takes the bytes that were written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Ends the list, and returns the bytes that were not taken.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        self.writer.end(&mut self.text);
        self.write_characters(true)?;
        Ok(self.bytes)
    }

    fn write_characters(&mut self, last: bool) -> Result<(), EncodeError> {
        let written = self.characters.write(&self.text, &mut self.bytes, last);
        self.text.clear();
        written.map_err(|message| self.failed(message))
    }

    fn failed(&self, message: String) -> EncodeError {
        EncodeError {
            format: self.format,
            record: self.records.max(1),
            message,
        }
    }
}

fn writer(format: &BodyFormat) -> Result<Box<dyn RecordWriter>, String> {
    Ok(match &format.syntax {
        FormatSyntax::Json => Box::new(json::JsonArrayWriter::default()),
        FormatSyntax::JsonLines => Box::new(json::JsonLinesWriter),
        FormatSyntax::Csv(options) => Box::new(csv::CsvWriter::new(options)),
        FormatSyntax::Xml(options) => Box::new(xml::XmlListWriter::new(options, charset(format))?),
        FormatSyntax::Text(_) => Box::new(text::TextLinesWriter),
        FormatSyntax::Form => return Err("a form holds one record, not a list".into()),
    })
}

/// The charset that a format is written in. JSON and forms are always UTF-8.
fn charset(format: &BodyFormat) -> Charset {
    match format.syntax {
        FormatSyntax::Json | FormatSyntax::JsonLines | FormatSyntax::Form => Charset::default(),
        _ => format.charset.unwrap_or_default(),
    }
}

/// Encodes text in a charset.
struct CharsetEncoder(encoding_rs::Encoder);

impl CharsetEncoder {
    fn new(format: &BodyFormat) -> Result<CharsetEncoder, String> {
        let charset = charset(format);
        if !charset.is_written() {
            return Err(format!(
                "{} is only read; give another encoding",
                charset.name()
            ));
        }
        Ok(CharsetEncoder(charset.encoding().new_encoder()))
    }

    /// Appends the bytes of a text. `last` is true for the last text.
    fn write(&mut self, mut text: &str, bytes: &mut Vec<u8>, last: bool) -> Result<(), String> {
        loop {
            let room = self
                .0
                .max_buffer_length_from_utf8_without_replacement(text.len());
            bytes.reserve(room.unwrap_or(text.len() + 16));
            let (result, read) = self
                .0
                .encode_from_utf8_to_vec_without_replacement(text, bytes, last);
            text = text.get(read..).unwrap_or_default();
            match result {
                EncoderResult::InputEmpty => return Ok(()),
                EncoderResult::OutputFull => {}
                EncoderResult::Unmappable(_) => {
                    return Err(format!(
                        "a character that {} does not have",
                        self.0.encoding().name()
                    ));
                }
            }
        }
    }
}
