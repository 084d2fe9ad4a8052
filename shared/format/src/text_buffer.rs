//! The text of a body that has come and has not become rows yet.

use crate::error::DecodePlace;

/// The text of a body that has come and has not become rows yet, in UTF-8.
#[derive(Default)]
pub(crate) struct TextBuffer {
    text: String,
    start: usize,
    offset: u64,
    ended: bool,
}

impl TextBuffer {
    /// What has come and is not consumed.
    pub(crate) fn text(&self) -> &str {
        self.text.get(self.start..).unwrap_or_default()
    }

    /// The same as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text.as_bytes()[self.start..]
    }

    /// How many bytes have come and are not consumed.
    pub(crate) fn len(&self) -> usize {
        self.text.len() - self.start
    }

    /// Whether nothing is left to read now.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing will come any more.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Notes that nothing will come any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// How many bytes of the text were consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The place where what is not consumed begins.
    pub(crate) fn place(&self) -> DecodePlace {
        DecodePlace::Byte(self.offset)
    }

    /// Leaves the next bytes behind; they must be whole characters.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.len());
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Where new text is to be appended. What was consumed is forgotten first.
    pub(crate) fn tail(&mut self) -> &mut String {
        self.text.drain(..self.start);
        self.start = 0;
        &mut self.text
    }
}
