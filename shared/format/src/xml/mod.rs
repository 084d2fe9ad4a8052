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

/// How deep elements may be nested.
pub(crate) const MAX_DEPTH: usize = 128;

/// How XML is read and written.
///
/// An element with nothing but text is that text, any other an object of its attributes (`@name`),
/// its child elements and, where it has some, its text (`#text`). Elements of one name that occur
/// several times become a list. White space that stands alone between tags is layout and no text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XmlOptions {
    /// Which elements are rows. Without it the document is one row: an object with the root element.
    pub record: Option<ElementPath>,
    /// Which elements are a list even where they occur once.
    pub list: Vec<ElementPath>,
    /// Whether names keep their namespace prefix, and attributes that declare namespaces are kept.
    pub prefixes: bool,
}

impl XmlOptions {
    /// Where in a name the part begins that it is known by.
    pub(crate) fn shown_from(&self, name: &str) -> usize {
        if self.prefixes {
            0
        } else {
            name.rfind(':').map_or(0, |colon| colon + 1)
        }
    }

    /// Whether an attribute is left out: a declaration of a namespace whose prefix is dropped.
    pub(crate) fn leaves_out(&self, attribute: &str) -> bool {
        !self.prefixes && (attribute == "xmlns" || attribute.starts_with("xmlns:"))
    }
}
