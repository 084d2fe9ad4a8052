//! The brackets and texts that are open at a place in jq, before it is read as jq.

/// Goes along jq byte by byte and remembers what is open.
#[derive(Default)]
pub(crate) struct Brackets {
    open: Vec<u8>,
    escaped: bool,
}

impl Brackets {
    /// Takes the next byte, and says how many brackets and texts are open after it.
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
