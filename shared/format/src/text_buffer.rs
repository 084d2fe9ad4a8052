//! The text of a body that was not consumed yet.

use crate::error::DecodePlace;

/// The text of a body that has come in and was not consumed, in UTF-8.
#[derive(Default)]
pub(crate) struct TextBuffer {
    text: String,
    start: usize,
    offset: u64,
    ended: bool,
}

impl TextBuffer {
    /// The text that was not consumed.
    pub(crate) fn text(&self) -> &str {
        self.text.get(self.start..).unwrap_or_default()
    }

    /// The text that was not consumed, as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text.as_bytes()[self.start..]
    }

    /// Number of bytes that were not consumed.
    pub(crate) fn len(&self) -> usize {
        self.text.len() - self.start
    }

    /// True while nothing is left to consume.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True once the body has ended.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Notes that the body has ended.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Number of bytes that were consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The place of the first byte that was not consumed.
    pub(crate) fn place(&self) -> DecodePlace {
        DecodePlace::Byte(self.offset)
    }

    /// Consumes the next bytes. They must be whole characters.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.len());
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// The end of the text, for appending. The consumed text is dropped first.
    pub(crate) fn tail(&mut self) -> &mut String {
        self.text.drain(..self.start);
        self.start = 0;
        &mut self.text
    }
}
