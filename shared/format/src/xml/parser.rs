//! The rows of an XML document.

use jaq_json::Map;
use pomost_expression::Value;

use crate::{
    DecodeLimits, DecodePlace, XmlOptions,
    error::PlacedProblem,
    row_parser::RowParser,
    text_buffer::TextBuffer,
    xml::{
        MAX_DEPTH,
        open_element::OpenElement,
        token_scanner::{TokenScanner, XmlToken},
    },
};

/// Reads each record element as a row, or the document as one row. The rest of the document is the
/// envelope.
pub(crate) struct XmlParser {
    options: XmlOptions,
    limits: DecodeLimits,
    tokens: TokenScanner,
    open: Vec<OpenElement>,
    /// Number of open elements around the open record.
    record: Option<usize>,
    record_length: usize,
    envelope_length: usize,
    rest: Value,
    has_root: bool,
    /// True where the document is a row that was not returned yet.
    is_row: bool,
    /// The place of the token that is being taken.
    at: DecodePlace,
}

impl XmlParser {
    pub(crate) fn new(options: &XmlOptions, limits: DecodeLimits) -> XmlParser {
        XmlParser {
            options: options.clone(),
            limits,
            tokens: TokenScanner::default(),
            open: Vec::new(),
            record: None,
            record_length: 0,
            envelope_length: 0,
            rest: Value::Null,
            has_root: false,
            is_row: options.record.is_none(),
            at: DecodePlace::Byte(0),
        }
    }

    /// Takes a token. Returns the row that ends with it.
    fn take(&mut self, token: &XmlToken<'_>) -> Result<Option<Value>, PlacedProblem> {
        match token {
            XmlToken::Start(tag) => self.begin(tag).map(|()| None),
            XmlToken::Empty(tag) => {
                self.begin(tag)?;
                Ok(self.end())
            }
            XmlToken::End(name) => {
                self.end_run()?;
                match self.open.last() {
                    Some(element) if element.name() == *name => Ok(self.end()),
                    Some(element) => Err(self.malformed(format!("expected {}", element.end_tag()))),
                    None => Err(self.malformed("an end tag without its start tag")),
                }
            }
            XmlToken::Text(text) => self
                .text(text, |element| element.add_text(text))
                .map(|()| None),
            XmlToken::CData(text) => {
                let add = |element: &mut OpenElement| {
                    element.add_cdata(text);
                    Ok(())
                };
                self.text(text, add).map(|()| None)
            }
            XmlToken::Aside => Ok(None),
        }
    }

    fn begin(&mut self, tag: &str) -> Result<(), PlacedProblem> {
        self.end_run()?;
        let element = OpenElement::begin(tag, self.at, &self.options)
            .map_err(|message| self.malformed(message))?;
        if self.open.is_empty() {
            self.begin_root(&element)?;
        }
        if self.open.len() == MAX_DEPTH {
            return Err(self.malformed(format!("elements nested deeper than {MAX_DEPTH} levels")));
        }
        if self.record.is_none() && self.is_record(element.visible_name()) {
            self.record = Some(self.open.len());
        }
        self.open.push(element);
        self.keep(tag.len())
    }

    fn begin_root(&mut self, root: &OpenElement) -> Result<(), PlacedProblem> {
        if std::mem::replace(&mut self.has_root, true) {
            return Err(self.malformed("a second element behind the root element"));
        }
        match self
            .options
            .record
            .as_ref()
            .and_then(|record| record.root())
        {
            Some(expected) if expected != root.visible_name() => Err(self.malformed(format!(
                "expected the root element '{expected}'; found another"
            ))),
            _ => Ok(()),
        }
    }

    fn is_record(&self, name: &str) -> bool {
        let outwards =
            || std::iter::once(name).chain(self.open.iter().rev().map(OpenElement::visible_name));
        self.options
            .record
            .as_ref()
            .is_some_and(|record| record.matches(outwards()))
    }

    fn text(
        &mut self,
        text: &str,
        add: impl FnOnce(&mut OpenElement) -> Result<(), String>,
    ) -> Result<(), PlacedProblem> {
        let Some(element) = self.open.last_mut() else {
            return if is_layout(text) {
                Ok(())
            } else {
                Err(self.malformed(TEXT_OUTSIDE_ROOT))
            };
        };
        let added = add(element).map(|()| element.run_length());
        let length = added.map_err(|message| self.malformed(message))?;
        self.check(length)
    }

    fn end_run(&mut self) -> Result<(), PlacedProblem> {
        let kept = self.open.last_mut().map_or(0, OpenElement::end_run);
        self.keep(kept)
    }

    /// Closes the innermost element. Returns it if it is a row.
    fn end(&mut self) -> Option<Value> {
        let element = self.open.pop()?;
        let name = element.visible_name().to_owned();
        let value = element.into_value();
        if self.record == Some(self.open.len()) {
            self.record = None;
            self.record_length = 0;
            return Some(value);
        }
        let outwards = || {
            std::iter::once(name.as_str())
                .chain(self.open.iter().rev().map(OpenElement::visible_name))
        };
        let many = self
            .options
            .list
            .iter()
            .any(|list| list.matches(outwards()));
        if let Some(parent) = self.open.last_mut() {
            parent.add_child(&name, value, many);
            return None;
        }
        self.rest = Value::obj(
            [(Value::utf8_str(name), value)]
                .into_iter()
                .collect::<Map>(),
        );
        None
    }

    /// Counts the bytes that are kept of a record or of the envelope.
    fn keep(&mut self, length: usize) -> Result<(), PlacedProblem> {
        let kept = if self.record.is_some() {
            &mut self.record_length
        } else {
            &mut self.envelope_length
        };
        *kept += length;
        let kept = *kept;
        self.check(kept)
    }

    fn check(&self, length: usize) -> Result<(), PlacedProblem> {
        let (what, limit) = match (self.record, &self.options.record) {
            (Some(_), _) => ("a record", self.limits.row),
            (None, Some(_)) => ("what stands around the records", self.limits.document),
            (None, None) => ("the document", self.limits.document),
        };
        if length > limit {
            Err(PlacedProblem::too_large(self.at, what, limit))
        } else {
            Ok(())
        }
    }

    fn malformed(&self, message: impl Into<String>) -> PlacedProblem {
        PlacedProblem::malformed(self.at, message)
    }

    /// Ends the document, which must be complete. Returns it if it is the row.
    fn end_document(&mut self, buffer: &TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        let left = buffer.text();
        let expected = match self.open.last() {
            Some(element) => element.end_tag(),
            None if left.starts_with('<') => "the end of a tag".into(),
            None if !is_layout(left) => return Err(self.malformed(TEXT_OUTSIDE_ROOT)),
            None if !self.has_root => "an XML document".into(),
            None => return Ok(std::mem::take(&mut self.is_row).then(|| self.rest.clone())),
        };
        Err(PlacedProblem::truncated(self.at, expected))
    }
}

const TEXT_OUTSIDE_ROOT: &str = "text outside of the root element";

/// True where a text is only white space.
fn is_layout(text: &str) -> bool {
    text.bytes().all(|byte| b" \t\r\n".contains(&byte))
}

impl RowParser for XmlParser {
    fn next(&mut self, buffer: &mut TextBuffer) -> Result<Option<Value>, PlacedProblem> {
        loop {
            self.at = buffer.place();
            let found = self
                .tokens
                .find(buffer.text())
                .map_err(|message| self.malformed(message))?;
            let longest = if self.options.record.is_some() {
                self.limits.row
            } else {
                self.limits.document
            };
            if found.as_ref().map_or(buffer.len(), |(_, length)| *length) > longest {
                return Err(PlacedProblem::too_large(
                    self.at,
                    "a tag, a comment or a text",
                    longest,
                ));
            }
            let Some((token, length)) = found else {
                return if buffer.ended() {
                    self.end_document(buffer)
                } else {
                    Ok(None)
                };
            };
            let row = self.take(&token)?;
            buffer.consume(length);
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    fn envelope(&self) -> &Value {
        &self.rest
    }

    fn held(&self) -> usize {
        self.record_length + self.envelope_length
    }
}
