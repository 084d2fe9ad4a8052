//! `flows/*.yaml`: flows, which move one kind of record from one system to another.

use schemars::JsonSchema;
use serde::Deserialize;

pub use crate::extract::*;
pub use crate::files::*;
pub use crate::load::*;
pub use crate::table::*;
pub use crate::text::{JqExpression, RequestLine, ResourceName};

/// A flow moves one kind of record from one system to another.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// The flow's name. It is the same as the file's name.
    pub flow: ResourceName,
    /// The source of the records.
    pub extract: ExtractSection,
    /// The mapping between source and destination. If left out, records are passed on unchanged.
    #[serde(default)]
    pub transform: TransformSection,
    /// The destination of the records.
    pub load: LoadSection,
    /// Paths of the fields with personal data. Their values are masked in logs, errors and
    /// listings.
    #[serde(default)]
    pub sensitive: Vec<JqExpression>,
    /// The highest number of records in one message.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub batch_size: u32,
}

fn default_batch_size() -> u32 {
    100
}

/// The mapping between source and destination.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransformSection {
    /// The mapping, as jq: no output leaves the record out, one output is the mapped record,
    /// several outputs split it.
    #[serde(default)]
    pub map: Option<JqExpression>,
    /// A JSON Schema file that every mapped record must satisfy.
    #[serde(default)]
    pub produce: Option<String>,
}
