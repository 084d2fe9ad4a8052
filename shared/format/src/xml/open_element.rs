//! Elements of XML while they are read.

use std::borrow::Cow;

use jaq_json::Map;
use pomost_expression::Value;
use quick_xml::{
    XmlVersion,
    escape::{EscapeError, unescape},
    events::BytesStart,
};

use crate::{
    DecodePlace,
    form::add_field,
    xml::{XmlOptions, is_name},
};

/// An element whose end tag has not come yet.
pub(crate) struct OpenElement {
    name: String,
    start: DecodePlace,
    visible_start: usize,
    fields: Map,
    text: String,
    /// The text since the last tag. It is layout where it is only white space.
    run: String,
    run_is_text: bool,
}

impl OpenElement {
    /// Begins the element of a start tag.
    pub(crate) fn begin(
        tag: &str,
        start: DecodePlace,
        options: &XmlOptions,
    ) -> Result<OpenElement, String> {
        let name = tag
            .split([' ', '\t', '\r', '\n'])
            .next()
            .unwrap_or_default();
        if !is_name(name) {
            return Err("expected the name of an element behind <".into());
        }
        Ok(OpenElement {
            name: name.to_owned(),
            start,
            visible_start: options.visible_start(name),
            fields: attributes(tag, name, options)?,
            text: String::new(),
            run: String::new(),
            run_is_text: false,
        })
    }

    /// The name in the tags.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The expected end, for errors. It does not contain the name, which may be a value that
    /// somebody forgot to escape.
    pub(crate) fn end_tag(&self) -> String {
        format!("the end tag of the element that begins at {}", self.start)
    }

    /// The name without a dropped prefix.
    pub(crate) fn visible_name(&self) -> &str {
        self.name.get(self.visible_start..).unwrap_or_default()
    }

    /// Adds text with character references.
    pub(crate) fn add_text(&mut self, raw: &str) -> Result<(), String> {
        self.run_is_text |= raw.bytes().any(|byte| !b" \t\r\n".contains(&byte));
        let lines = with_plain_line_breaks(raw);
        self.run
            .push_str(&unescape(&lines).map_err(|error| reference(&error))?);
        Ok(())
    }

    /// Adds text without character references.
    pub(crate) fn add_cdata(&mut self, raw: &str) {
        self.run_is_text = true;
        self.run.push_str(&with_plain_line_breaks(raw));
    }

    /// The length of the text since the last tag.
    pub(crate) fn run_length(&self) -> usize {
        self.run.len()
    }

    /// Ends the text before a tag. Returns the number of bytes that are kept.
    pub(crate) fn end_run(&mut self) -> usize {
        let kept = if self.run_is_text { self.run.len() } else { 0 };
        self.text.push_str(&self.run[..kept]);
        self.run.clear();
        self.run_is_text = false;
        kept
    }

    /// Adds a child element. `many` is true where it is a list even if it occurs once.
    pub(crate) fn add_child(&mut self, name: &str, value: Value, many: bool) {
        add_field(&mut self.fields, name, value, many);
    }

    /// The value of the element, once it has ended.
    pub(crate) fn into_value(mut self) -> Value {
        if self.fields.is_empty() {
            return Value::utf8_str(self.text);
        }
        if !self.text.is_empty() {
            self.fields
                .insert(Value::utf8_str("#text"), Value::utf8_str(self.text));
        }
        Value::obj(self.fields)
    }
}

fn attributes(tag: &str, name: &str, options: &XmlOptions) -> Result<Map, String> {
    let mut fields = Map::default();
    let start = BytesStart::from_content(tag, name.len());
    // The insertion finds duplicates, including those that dropped prefixes cause.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| "expected attributes as name=\"value\"")?;
        let name: &str = attribute.key.as_ref();
        if !is_name(name) {
            return Err("expected the name of an attribute".into());
        }
        if options.drops_attribute(name) {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| match error {
                quick_xml::Error::Escape(error) => reference(&error),
                _ => "a value of an attribute cannot be read".into(),
            })?;
        let visible_name = format!("@{}", &name[options.visible_start(name)..]);
        if fields
            .insert(
                Value::utf8_str(visible_name),
                Value::utf8_str(value.into_owned()),
            )
            .is_some()
        {
            return Err("an attribute occurs twice in a tag".into());
        }
    }
    Ok(fields)
}

/// Normalises line breaks (XML 1.0 §2.11).
fn with_plain_line_breaks(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

/// The error in a reference, without the text around it.
fn reference(error: &EscapeError) -> String {
    match error {
        EscapeError::UnrecognizedEntity(..) => {
            "an entity other than &amp; &lt; &gt; &quot; &apos;; no others are resolved".into()
        }
        EscapeError::UnterminatedEntity(_) => {
            "an & that begins no reference; it should be &amp;".into()
        }
        _ => "a reference to a character that XML does not have".into(),
    }
}
