//! The interface of the formats' parsers.

use pomost_expression::Value;

use crate::{error::PlacedProblem, text_buffer::TextBuffer};

/// Turns the text of a body into rows while the text comes in.
pub(crate) trait RowParser: Send {
    /// Takes the next row from the buffer. None while the buffer holds no complete row, and at the
    /// end of the body.
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem>;

    /// The document without its rows, once the body has ended.
    fn envelope(&self) -> &Value {
        &Value::Null
    }

    /// Number of bytes that the parser holds beside the buffer.
    fn held(&self) -> usize {
        0
    }
}
