//! JSON: documents, and lists in documents.

mod document;
mod list;
mod outline;
mod path;
mod strict;
mod value_end;

pub(crate) use document::Document;
pub(crate) use list::List;
pub use path::{RowPath, row_path};
pub(crate) use strict::read_strictly;
