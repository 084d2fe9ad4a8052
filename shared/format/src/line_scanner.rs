//! Lines of text.

use crate::{DecodePlace, error::PlacedProblem, text_buffer::TextBuffer};

/// Finds the lines of a text, however it is cut into chunks.
#[derive(Default)]
pub(crate) struct LineScanner {
    scanned: usize,
    passed: u64,
}

/// A line that has come as a whole.
pub(crate) struct ScannedLine {
    /// How long its text is.
    pub(crate) text: usize,
    /// How long it is with its line break.
    pub(crate) whole: usize,
}

impl LineScanner {
    /// The number of the line that the buffer begins with, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.passed + 1
    }

    /// The line that the buffer begins with, ended by LF, CRLF or the end of the body; none while it
    /// lacks its end, or where the body has no more lines. It may be `limit` bytes long.
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

    /// Leaves behind the line that was found.
    pub(crate) fn pass(&mut self, line: &ScannedLine, buffer: &mut TextBuffer) {
        buffer.consume(line.whole);
        self.passed += 1;
        self.scanned = 0;
    }
}
