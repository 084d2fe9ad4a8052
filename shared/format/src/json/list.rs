//! The elements of a list in a JSON document, one by one.

use std::vec;

use pomost_expression::Value;

use crate::{
    DecodeLimits, DecodePlace, RowPath,
    error::PlacedProblem,
    json::{outline::Outline, read_strictly, value_scanner::ValueScanner},
    row_parser::RowParser,
    text_buffer::TextBuffer,
};

/// Reads the elements of one list while the document comes in. The envelope is complete at the end.
pub(crate) struct ListParser {
    path: RowPath,
    limit: usize,
    outline: Outline,
    stage: ListStage,
    element: ValueScanner,
    list_start: u64,
    values: vec::IntoIter<Value>,
    rest: Value,
}

/// The next part of the document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListStage {
    /// The text before or after the list.
    Outline,
    /// An element, or the end of the list.
    FirstElement,
    /// An element.
    Element,
    /// A comma, or the end of the list.
    Comma,
    /// The document has ended. The remaining rows are the values of an object in the list's place.
    Ended,
}

impl ListParser {
    pub(crate) fn new(path: RowPath, limits: DecodeLimits) -> ListParser {
        ListParser {
            outline: Outline::new(path.clone(), limits.document),
            path,
            limit: limits.row,
            stage: ListStage::Outline,
            element: ValueScanner::default(),
            list_start: 0,
            values: Vec::new().into_iter(),
            rest: Value::Null,
        }
    }

    /// Reads on outside the list. False while more of the body is needed.
    fn read_outline(&mut self, buffer: &mut TextBuffer) -> Result<bool, PlacedProblem> {
        let (taken, at_list) = self.outline.copy(buffer.bytes())?;
        buffer.consume(taken);
        if at_list {
            self.list_start = buffer.offset();
            self.stage = ListStage::FirstElement;
        } else if buffer.ended() {
            self.rest = self.outline.read()?;
            self.stage = ListStage::Ended;
            if !self.outline.has_list() {
                self.values = self.values_in_place(buffer.place())?.into_iter();
            }
        }
        Ok(at_list || buffer.ended())
    }

    /// Reads on in the list. None while more of the body is needed, and where the list has ended.
    fn read_list(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        let spaces = buffer
            .bytes()
            .iter()
            .take_while(|byte| b" \t\r\n".contains(byte))
            .count();
        buffer.consume(spaces);
        match (self.stage, buffer.bytes().first()) {
            (_, None) if buffer.ended() => Err(PlacedProblem::truncated(
                buffer.place(),
                "the rest of the list",
            )),
            (_, None) => Ok(None),
            (ListStage::FirstElement | ListStage::Comma, Some(b']')) => {
                self.outline.close_list(buffer.offset() - self.list_start);
                buffer.consume(1);
                self.stage = ListStage::Outline;
                Ok(None)
            }
            (ListStage::Comma, Some(b',')) => {
                buffer.consume(1);
                self.stage = ListStage::Element;
                self.read_list(buffer)
            }
            (ListStage::Comma, _) => Err(PlacedProblem::malformed(
                buffer.place(),
                "expected , or ] behind an element",
            )),
            _ => self.read_element(buffer),
        }
    }

    fn read_element(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        let end = self.element.find(buffer.bytes());
        if end.unwrap_or(buffer.len()) > self.limit {
            return Err(PlacedProblem::too_large(
                buffer.place(),
                "an element of the list",
                self.limit,
            ));
        }
        let Some(end) = end else {
            let cut_off = || PlacedProblem::truncated(buffer.place(), "the rest of an element");
            return if buffer.ended() {
                Err(cut_off())
            } else {
                Ok(None)
            };
        };
        let value = read_strictly(&buffer.bytes()[..end], false).map_err(|error| {
            let place = DecodePlace::Byte(buffer.offset() + error.index as u64);
            PlacedProblem {
                place,
                problem: error.problem,
            }
        })?;
        buffer.consume(end);
        self.element = ValueScanner::default();
        self.stage = ListStage::Comma;
        Ok(Some(value))
    }

    /// The rows of a document that has no list in the rows' place, as in jq: the values of an
    /// object, and otherwise an error, unless the path ends in `[]?`.
    fn values_in_place(&self, place: DecodePlace) -> Result<Vec<Value>, PlacedProblem> {
        let found = self
            .path
            .fields
            .iter()
            .try_fold(&self.rest, |value, field| match value {
                Value::Obj(fields) => Some(
                    fields
                        .get(&Value::from(field.clone()))
                        .unwrap_or(&Value::Null),
                ),
                Value::Null => Some(value),
                _ => None,
            });
        match found {
            Some(Value::Obj(fields)) => Ok(fields.values().cloned().collect()),
            Some(_) if self.path.optional => Ok(Vec::new()),
            _ => Err(PlacedProblem::malformed(
                place,
                format!("expected a list at {}", self.path.label()),
            )),
        }
    }
}

impl RowParser for ListParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        loop {
            match self.stage {
                ListStage::Outline => {
                    if !self.read_outline(buffer)? {
                        return Ok(None);
                    }
                }
                ListStage::Ended => return Ok(self.values.next()),
                _ => {
                    let row = self.read_list(buffer)?;
                    if row.is_some() || self.stage != ListStage::Outline {
                        return Ok(row);
                    }
                }
            }
        }
    }

    fn envelope(&self) -> &Value {
        &self.rest
    }

    fn held(&self) -> usize {
        self.outline.held()
    }
}
