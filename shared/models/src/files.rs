//! Files as the destination of a flow.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::format::FormatSection;

/// Files, each with records that were loaded together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesSection {
    /// The directory, `reports/sales`, from the project's directory; it is made where it is not there.
    pub directory: String,
    /// What the files are written in: `csv`, with a header, or `jsonl`. Without `names`, the columns of
    /// a table are the fields of its records.
    pub format: FormatSection,
}
