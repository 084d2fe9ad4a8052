//! Tracks the brackets and texts that are open in jq, before it is parsed.

/// The brackets and texts that are open after each byte of a source.
#[derive(Default)]
pub(crate) struct OpenBrackets {
    open: Vec<u8>,
    escaped: bool,
}

impl OpenBrackets {
    /// Takes the next byte. Returns the number of brackets and texts that are open after it.
    pub(crate) fn take(&mut self, byte: u8) -> usize {
        let in_text = self.open.last() == Some(&b'"');
        let escapes = in_text && !self.escaped && byte == b'\\';
        match byte {
            // `\(` within a text begins an expression, in which texts may begin again.
            b'(' if self.escaped => self.open.push(byte),
            b'"' if in_text && !self.escaped => drop(self.open.pop()),
            b'"' | b'(' | b'[' | b'{' if !in_text => self.open.push(byte),
            b')' | b']' | b'}' if !in_text => drop(self.open.pop()),
            _ => {}
        }
        self.escaped = escapes;
        self.open.len()
    }
}
