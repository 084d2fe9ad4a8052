//! XML 1.0.

mod declaration;
mod name;
mod open_element;
mod parser;
mod path;
mod token_scanner;

pub(crate) use declaration::{XmlDeclaration, declaration};
pub(crate) use name::{is_name, is_text};
pub(crate) use parser::XmlParser;
pub use path::ElementPath;

/// The deepest nesting of elements.
pub(crate) const MAX_DEPTH: usize = 128;

/// Settings of XML.
///
/// An element that contains only text is this text. Every other element is an object of its
/// attributes (`@name`), its child elements and its text (`#text`), if it has any. Elements with
/// the same name become a list. White space alone between tags is layout and not text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XmlOptions {
    /// The elements that are rows. Without it the document is one row: an object with the root
    /// element.
    pub record: Option<ElementPath>,
    /// The elements that are a list even where they occur once.
    pub list: Vec<ElementPath>,
    /// Keeps namespace prefixes in names, and attributes that declare namespaces.
    pub prefixes: bool,
}

impl XmlOptions {
    /// The index in a name at which the part without a dropped prefix begins.
    pub(crate) fn visible_start(&self, name: &str) -> usize {
        if self.prefixes {
            0
        } else {
            name.rfind(':').map_or(0, |colon| colon + 1)
        }
    }

    /// True for an attribute that is left out: the declaration of a namespace whose prefix is
    /// dropped.
    pub(crate) fn drops_attribute(&self, attribute: &str) -> bool {
        !self.prefixes && (attribute == "xmlns" || attribute.starts_with("xmlns:"))
    }
}
