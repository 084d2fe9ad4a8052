//! Files as the destination of a flow.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::format::FormatSection;

/// A directory of files, each with the records that were loaded together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesSection {
    /// The directory, `reports/sales`, relative to the project's directory. It is created where it
    /// does not exist.
    pub directory: String,
    /// The format of the files: `csv`, with a header, or `jsonl`. Without `names`, the fields of
    /// the records are the columns.
    pub format: FormatSection,
}
