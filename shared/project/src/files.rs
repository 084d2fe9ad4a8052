//! Files as the destination of a flow, compiled.

use std::path::PathBuf;

use pomost_format::BodyFormat;

/// A directory of files, each with the records that were loaded together.
#[derive(Debug)]
pub struct FileDestination {
    /// The directory, with the project's directory before it.
    pub directory: PathBuf,
    /// CSV with a header, or JSON Lines.
    pub format: BodyFormat,
}
