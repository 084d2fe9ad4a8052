//! Writing XML: the mirror image of reading it.

use jaq_json::Map;
use pomost_expression::{Value, text};
use quick_xml::escape::{escape, partial_escape};

use crate::{
    Charset, XmlOptions,
    encode::{RecordWriter, text::kind_name},
    xml::{MAX_DEPTH, is_name, is_text},
};

/// Writes a record as a document. The root element is the record, with the name that the options
/// give it, or else the record's only field.
pub(crate) fn document(
    options: &XmlOptions,
    charset: Charset,
    record: &Value,
    written: &mut String,
) -> Result<(), String> {
    declaration(charset, written);
    if let Some(path) = &options.record {
        return element(path.name(), record, MAX_DEPTH, written);
    }
    let only = match record {
        Value::Obj(fields) if fields.len() == 1 => fields.first(),
        _ => None,
    };
    let (name, root) =
        only.ok_or("expected an object with one field, which becomes the root element")?;
    element(&text(name).unwrap_or_default(), root, MAX_DEPTH, written)
}

/// Writes records as elements of a document, at the path that the options give.
pub(crate) struct XmlListWriter {
    charset: Charset,
    ancestors: Vec<String>,
    name: String,
}

impl XmlListWriter {
    pub(crate) fn new(options: &XmlOptions, charset: Charset) -> Result<XmlListWriter, String> {
        let path = options.record.as_ref();
        let ancestors = path.and_then(|path| path.ancestors());
        let (Some(path), Some(ancestors)) = (path, ancestors) else {
            return Err(
                "a list needs the path of its records from the root, such as /orders/order".into(),
            );
        };
        Ok(XmlListWriter {
            charset,
            ancestors: ancestors.to_vec(),
            name: path.name().into(),
        })
    }
}

impl RecordWriter for XmlListWriter {
    fn begin(&mut self, written: &mut String) -> Result<(), String> {
        declaration(self.charset, written);
        self.ancestors
            .iter()
            .for_each(|name| written.push_str(&format!("<{name}>")));
        Ok(())
    }

    fn record(&mut self, record: &Value, written: &mut String) -> Result<(), String> {
        element(
            &self.name,
            record,
            MAX_DEPTH - self.ancestors.len().min(MAX_DEPTH),
            written,
        )
    }

    fn end(&mut self, written: &mut String) {
        self.ancestors
            .iter()
            .rev()
            .for_each(|name| written.push_str(&format!("</{name}>")));
    }
}

fn declaration(charset: Charset, written: &mut String) {
    written.push_str(&format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?>",
        charset.name()
    ));
}

/// Writes an element. Others may be nested in it up to `depth` levels.
fn element(name: &str, value: &Value, depth: usize, written: &mut String) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!("'{name}' cannot be the name of an element"));
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("elements nested deeper than {MAX_DEPTH} levels"));
    };
    written.push('<');
    written.push_str(name);
    let content = match value {
        Value::Obj(fields) => {
            attributes(fields, written)?;
            content(fields, depth)?
        }
        Value::Null => String::new(),
        value => character_data(name, value)?,
    };
    if content.is_empty() {
        written.push_str("/>");
    } else {
        written.extend([">", &content, "</", name, ">"]);
    }
    Ok(())
}

fn attributes(fields: &Map, written: &mut String) -> Result<(), String> {
    for (field, value) in fields
        .iter()
        .filter(|(_, value)| !matches!(value, Value::Null))
    {
        let field = text(field).unwrap_or_default();
        let Some(name) = field.strip_prefix('@') else {
            continue;
        };
        if !is_name(name) {
            return Err(format!("'{name}' cannot be the name of an attribute"));
        }
        let value = plain_text(&field, value)?;
        // A plain line break or tab in an attribute would be read as a space.
        let value = escape(value.as_str())
            .replace('\n', "&#10;")
            .replace('\t', "&#9;");
        written.extend([" ", name, "=\"", &value, "\""]);
    }
    Ok(())
}

fn content(fields: &Map, depth: usize) -> Result<String, String> {
    let mut written = String::new();
    for (field, value) in fields.iter() {
        let field = text(field).unwrap_or_default();
        match value {
            Value::Null => {}
            _ if field.starts_with('@') => {}
            value if field == "#text" => written.push_str(&character_data(&field, value)?),
            Value::Arr(values) => {
                values
                    .iter()
                    .try_for_each(|value| element(&field, value, depth, &mut written))?;
            }
            value => element(&field, value, depth, &mut written)?,
        }
    }
    Ok(written)
}

/// Text between tags. White space alone would be read as layout, so it is written as character
/// references.
fn character_data(field: &str, value: &Value) -> Result<String, String> {
    let text = plain_text(field, value)?;
    if text.bytes().all(|byte| b" \t\r\n".contains(&byte)) {
        return Ok(text.bytes().map(|byte| format!("&#{byte};")).collect());
    }
    Ok(partial_escape(text).into_owned())
}

fn plain_text(field: &str, value: &Value) -> Result<String, String> {
    let text =
        text(value).ok_or_else(|| format!("the field '{field}' holds {}", kind_name(value)))?;
    if is_text(&text) {
        return Ok(text);
    }
    Err(format!(
        "the field '{field}' holds a character that XML does not have"
    ))
}
