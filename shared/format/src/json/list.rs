//! The elements of a list in a JSON document, one by one.

use std::vec;

use pomost_expression::Value;

use crate::{
    DecodeLimits, DecodePlace, RowPath,
    buffer::Buffer,
    decode::Rows,
    error::Fault,
    json::{outline::Outline, read_strictly, value_end::ValueEnd},
};

/// Reads the elements of one list while it comes, and what stands around it at the end.
pub(crate) struct List {
    path: RowPath,
    limit: usize,
    outline: Outline,
    stage: Stage,
    element: ValueEnd,
    list_start: u64,
    values: vec::IntoIter<Value>,
    rest: Value,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What stands before the list or behind it.
    Outline,
    /// An element, or the list's end.
    FirstElement,
    /// An element.
    Element,
    /// A comma, or the list's end.
    Comma,
    /// The document has ended. What is left are the values of an object in the list's place.
    Ended,
}

impl List {
    pub(crate) fn new(path: RowPath, limits: DecodeLimits) -> List {
        List {
            outline: Outline::new(path.clone(), limits.document),
            path,
            limit: limits.row,
            stage: Stage::Outline,
            element: ValueEnd::default(),
            list_start: 0,
            values: Vec::new().into_iter(),
            rest: Value::Null,
        }
    }

    /// Goes on with the outline; false where more must come.
    fn read_outline(&mut self, buffer: &mut Buffer) -> Result<bool, Fault> {
        let (taken, at_list) = self.outline.copy(buffer.bytes())?;
        buffer.consume(taken);
        if at_list {
            self.list_start = buffer.offset();
            self.stage = Stage::FirstElement;
        } else if buffer.ended() {
            self.rest = self.outline.read()?;
            self.stage = Stage::Ended;
            if !self.outline.has_list() {
                self.values = self.values_in_place(buffer.place())?.into_iter();
            }
        }
        Ok(at_list || buffer.ended())
    }

    /// Goes on in the list; none where more must come or where the list has ended.
    fn read_list(&mut self, buffer: &mut Buffer) -> Result<Option<Value>, Fault> {
        let spaces = buffer
            .bytes()
            .iter()
            .take_while(|byte| b" \t\r\n".contains(byte))
            .count();
        buffer.consume(spaces);
        match (self.stage, buffer.bytes().first()) {
            (_, None) if buffer.ended() => {
                Err(Fault::truncated(buffer.place(), "the rest of the list"))
            }
            (_, None) => Ok(None),
            (Stage::FirstElement | Stage::Comma, Some(b']')) => {
                self.outline.close_list(buffer.offset() - self.list_start);
                buffer.consume(1);
                self.stage = Stage::Outline;
                Ok(None)
            }
            (Stage::Comma, Some(b',')) => {
                buffer.consume(1);
                self.stage = Stage::Element;
                self.read_list(buffer)
            }
            (Stage::Comma, _) => Err(Fault::malformed(
                buffer.place(),
                "expected , or ] behind an element",
            )),
            _ => self.read_element(buffer),
        }
    }

    fn read_element(&mut self, buffer: &mut Buffer) -> Result<Option<Value>, Fault> {
        let end = self.element.find(buffer.bytes());
        if end.unwrap_or(buffer.len()) > self.limit {
            return Err(Fault::too_large(
                buffer.place(),
                "an element of the list",
                self.limit,
            ));
        }
        let Some(end) = end else {
            let cut_off = || Fault::truncated(buffer.place(), "the rest of an element");
            return if buffer.ended() {
                Err(cut_off())
            } else {
                Ok(None)
            };
        };
        let value = read_strictly(&buffer.bytes()[..end], false).map_err(|error| {
            let place = DecodePlace::Byte(buffer.offset() + error.index as u64);
            Fault {
                place,
                problem: error.problem,
            }
        })?;
        buffer.consume(end);
        self.element = ValueEnd::default();
        self.stage = Stage::Comma;
        Ok(Some(value))
    }

    /// What jq makes of a document that has no list where the rows should be: the values of an
    /// object, and otherwise an error, unless it is only the last step that the path lets fail.
    fn values_in_place(&self, place: DecodePlace) -> Result<Vec<Value>, Fault> {
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
            _ => Err(Fault::malformed(
                place,
                format!("expected a list at {}", self.path.label()),
            )),
        }
    }
}

impl Rows for List {
    fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Value>, Fault> {
        loop {
            match self.stage {
                Stage::Outline => {
                    if !self.read_outline(buffer)? {
                        return Ok(None);
                    }
                }
                Stage::Ended => return Ok(self.values.next()),
                _ => {
                    let row = self.read_list(buffer)?;
                    if row.is_some() || self.stage != Stage::Outline {
                        return Ok(row);
                    }
                }
            }
        }
    }

    fn rest(&self) -> &Value {
        &self.rest
    }

    fn held(&self) -> usize {
        self.outline.held()
    }
}
