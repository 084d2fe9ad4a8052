//! Files as the destination of a flow, compiled.

use std::path::PathBuf;

use pomost_format::BodyFormat;

/// Files, each with records that were loaded together.
#[derive(Debug)]
pub struct FileDestination {
    /// The directory, in the project's.
    pub directory: PathBuf,
    /// What they are written in: a table with a header, or JSON Lines.
    pub format: BodyFormat,
}
