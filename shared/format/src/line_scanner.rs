//! Lines of text.

use crate::{DecodePlace, error::PlacedProblem, text_buffer::TextBuffer};

/// Finds the lines of a text, however it is cut into chunks.
#[derive(Default)]
pub(crate) struct LineScanner {
    scanned: usize,
    passed: u64,
}

/// A complete line.
pub(crate) struct ScannedLine {
    /// The length of the line without its line break.
    pub(crate) text: usize,
    /// The length of the line with its line break.
    pub(crate) whole: usize,
}

impl LineScanner {
    /// The number of the line at the beginning of the buffer, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.passed + 1
    }

    /// The line at the beginning of the buffer. It ends with LF, CRLF or the end of the body. None
    /// while its end is missing, and where the body has no more lines. A line longer than `limit`
    /// bytes is an error.
    pub(crate) fn find(
        &mut self,
        buffer: &TextBuffer,
        limit: usize,
    ) -> Result<Option<ScannedLine>, PlacedProblem> {
        let bytes = buffer.bytes();
        let found = memchr::memchr(b'\n', &bytes[self.scanned..]).map(|at| self.scanned + at);
        let end = found.unwrap_or(bytes.len());
        self.scanned = end;
        if end > limit {
            return Err(PlacedProblem::too_large(
                DecodePlace::Line(self.number()),
                "a line",
                limit,
            ));
        }
        if found.is_none() && (bytes.is_empty() || !buffer.ended()) {
            return Ok(None);
        }
        let text = bytes[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
        Ok(Some(ScannedLine {
            text,
            whole: end + usize::from(found.is_some()),
        }))
    }

    /// Consumes the line that was found.
    pub(crate) fn pass(&mut self, line: &ScannedLine, buffer: &mut TextBuffer) {
        buffer.consume(line.whole);
        self.passed += 1;
        self.scanned = 0;
    }
}
