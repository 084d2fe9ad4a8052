//! `flows/*.yaml`: one kind of record going from one system to another.

use schemars::JsonSchema;
use serde::Deserialize;

pub use crate::extract::*;
pub use crate::files::*;
pub use crate::load::*;
pub use crate::table::*;
pub use crate::text::{JqExpression, RequestLine, ResourceName};

/// One kind of record going from one system to another.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// The flow's name; the same as the file's.
    pub flow: ResourceName,
    /// Where the records come from.
    pub extract: ExtractSection,
    /// What becomes of them on the way. Left out, they cross as they are.
    #[serde(default)]
    pub transform: TransformSection,
    /// Where they go.
    pub load: LoadSection,
    /// Fields with personal data, as paths: masked in logs, errors and listings.
    #[serde(default)]
    pub sensitive: Vec<JqExpression>,
    /// How many records one message carries at most.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub batch_size: u32,
}

fn default_batch_size() -> u32 {
    100
}

/// What becomes of a record on the way.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransformSection {
    /// The mapping: no output leaves the record out, one is the mapped record, several split it.
    #[serde(default)]
    pub map: Option<JqExpression>,
    /// A JSON Schema file that every mapped record must satisfy.
    #[serde(default)]
    pub produce: Option<String>,
}
