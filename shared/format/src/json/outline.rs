//! A JSON document without the elements of one of its lists.

use pomost_expression::{Value, read, text};

use crate::{DecodePlace, RowPath, error::PlacedProblem, json::read_strictly};

/// Copies the text around a list, and finds the list. The text is assumed to be JSON: the copy is
/// checked when it is read at the end.
pub(crate) struct Outline {
    path: RowPath,
    limit: usize,
    copy: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// Number of open objects and lists.
    depth: usize,
    /// Number of open objects that lead to the list: the outermost ones.
    on_path: usize,
    /// Number of these objects in which the field that leads on was found.
    found_fields: usize,
    field_expected: bool,
    field_start: Option<usize>,
    field_leads_on: bool,
    /// True where the next value is the list or leads to it.
    leads_on: bool,
    list: Option<OmittedPart>,
}

/// The elements that were left out of the copy.
#[derive(Clone, Copy)]
struct OmittedPart {
    at: usize,
    length: u64,
}

impl Outline {
    pub(crate) fn new(path: RowPath, limit: usize) -> Outline {
        Outline {
            path,
            limit,
            copy: Vec::new(),
            in_string: false,
            escaped: false,
            depth: 0,
            on_path: 0,
            found_fields: 0,
            field_expected: false,
            field_start: None,
            field_leads_on: false,
            leads_on: true,
            list: None,
        }
    }

    /// Copies up to the first element of the list, or to the end of the bytes. Returns the number
    /// of bytes it took, and true where the list begins after them.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Result<(usize, bool), PlacedProblem> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.copy.len() == self.limit {
                let place = DecodePlace::Byte(self.in_body(self.copy.len()));
                return Err(PlacedProblem::too_large(
                    place,
                    "what stands around the list",
                    self.limit,
                ));
            }
            self.copy.push(byte);
            if self.in_string {
                self.copied_in_string(byte)?;
            } else if self.copied(byte) {
                return Ok((index + 1, true));
            }
        }
        Ok((bytes.len(), false))
    }

    /// Notes that the list has ended, and the length of its elements and bracket.
    pub(crate) fn close_list(&mut self, length: u64) {
        self.list = Some(OmittedPart {
            at: self.copy.len(),
            length,
        });
        self.copy.push(b']');
    }

    /// True where the list was found.
    pub(crate) fn has_list(&self) -> bool {
        self.list.is_some()
    }

    /// Number of bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.copy.len()
    }

    /// Reads the copy. The body must have ended.
    pub(crate) fn read(&mut self) -> Result<Value, PlacedProblem> {
        let value = read_strictly(&self.copy, true).map_err(|error| PlacedProblem {
            place: DecodePlace::Byte(self.in_body(error.index)),
            problem: error.problem,
        })?;
        self.copy = Vec::new();
        Ok(value)
    }

    fn copied_in_string(&mut self, byte: u8) -> Result<(), PlacedProblem> {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                if let Some(start) = self.field_start.take() {
                    self.field_ended(start)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Copies a byte. True where the list begins after it.
    fn copied(&mut self, byte: u8) -> bool {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return false,
            b':' => {
                self.leads_on = std::mem::take(&mut self.field_leads_on);
                return false;
            }
            b'[' if self.is_at_list() => return true,
            b'"' => {
                self.in_string = true;
                self.field_start = self.field_expected.then(|| self.copy.len() - 1);
            }
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                self.on_path = self.on_path.min(self.depth);
            }
            _ => {}
        }
        if byte == b'{' && self.leads_on && self.on_path < self.path.fields.len() {
            self.on_path += 1;
        }
        self.field_expected =
            matches!(byte, b'{' | b',') && self.depth > 0 && self.depth == self.on_path;
        self.leads_on = false;
        false
    }

    fn is_at_list(&self) -> bool {
        self.leads_on && self.on_path == self.path.fields.len() && self.list.is_none()
    }

    /// Refuses a second field that leads on, because it would change the meaning of the first one.
    fn field_ended(&mut self, start: usize) -> Result<(), PlacedProblem> {
        let field = read(&self.copy[start..])
            .ok()
            .and_then(|field| text(&field));
        let level = self.on_path.saturating_sub(1);
        self.field_leads_on = field.is_some() && field.as_ref() == self.path.fields.get(level);
        if !self.field_leads_on {
            return Ok(());
        }
        if self.found_fields > level {
            let message = format!("a field on the path {} occurs twice", self.path.label());
            return Err(PlacedProblem::malformed(
                DecodePlace::Byte(self.in_body(start)),
                message,
            ));
        }
        self.found_fields = level + 1;
        Ok(())
    }

    /// The position in the body of a byte of the copy.
    fn in_body(&self, index: usize) -> u64 {
        let before = self
            .list
            .filter(|list| list.at <= index)
            .map_or(0, |list| list.length);
        index as u64 + before
    }
}
