//! The titles of web pages.

use http::HeaderMap;
use pomost_expression::to_json;
use pomost_format::{BodyFormat, FormatSyntax, TextOptions, XmlOptions, decode};

use crate::response::content_type;

/// The length of the beginning that is searched for a title, in bytes.
pub(crate) const SEARCHED_BYTES: usize = 64 * 1024;

/// The longest title that is shown, in characters.
pub(super) const MAX_TITLE_CHARS: usize = 100;

/// Returns the title of a page on one line.
pub(super) fn title(headers: &HeaderMap, beginning: &[u8]) -> Option<String> {
    let page = decoded(headers, &beginning[..beginning.len().min(SEARCHED_BYTES)]);
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let line = unescaped(&page[start..end])
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (!line.is_empty()).then_some(line)
}

/// Returns the beginning of a text, of whole words where it has some: a part of one would not be
/// known as an echo.
pub(super) fn shortened(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    if let Some((end, _)) = text.char_indices().nth(MAX_TITLE_CHARS) {
        let end = text[..end].rfind(' ').unwrap_or(end);
        text.truncate(end);
    }
    text
}

/// Decodes a page; bytes that are no characters of its charset are replaced.
fn decoded(headers: &HeaderMap, bytes: &[u8]) -> String {
    let text = BodyFormat::from(FormatSyntax::Text(TextOptions::default()));
    BodyFormat::of_response(Some(&text), content_type(headers))
        .charset
        .unwrap_or_default()
        .lossy(bytes)
}

/// Replaces character references, in a text that has none but those of XML.
fn unescaped(title: &str) -> String {
    let element = format!("<title>{title}</title>");
    let read = decode(
        &FormatSyntax::Xml(XmlOptions::default()).into(),
        None,
        element.as_bytes(),
    );
    let document = read.ok().map(|(_, document)| to_json(&document));
    let unescaped = document
        .as_ref()
        .and_then(|document| document["title"].as_str());
    unescaped.unwrap_or(title).to_owned()
}
