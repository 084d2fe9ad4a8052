//! JSON: documents, and lists in documents.

mod document;
mod list;
mod outline;
mod path;
mod strict;
mod value_scanner;

pub(crate) use document::DocumentParser;
pub(crate) use list::ListParser;
pub use path::{RowPath, row_path};
pub(crate) use strict::read_strictly;
