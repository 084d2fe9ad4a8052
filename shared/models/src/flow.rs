//! `flows/*.yaml`: one kind of record going from one system to another.

use schemars::JsonSchema;
use serde::Deserialize;

pub use crate::extract::*;
use crate::request::{AnswerRuleSection, RequestSection};
pub use crate::text::{Jq, Name, RequestLine};

/// One kind of record going from one system to another.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// The flow's name; the same as the file's.
    pub flow: Name,
    /// Where the records come from.
    pub extract: ExtractSection,
    /// What becomes of them on the way. Left out, they cross as they are.
    #[serde(default)]
    pub transform: TransformSection,
    /// Where they go.
    pub load: LoadSection,
    /// Fields with personal data, as paths: masked in logs, errors and listings.
    #[serde(default)]
    pub sensitive: Vec<Jq>,
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
    pub map: Option<Jq>,
    /// A JSON Schema file that every mapped record must satisfy.
    #[serde(default)]
    pub produce: Option<String>,
}

/// Where the records go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSection {
    /// The system to write.
    pub system: Name,
    /// How a record that the destination does not have is made there.
    pub create: CreateSection,
    /// How a record that the destination has is changed there.
    pub update: UpdateSection,
    /// How a record is deleted there; needed where `extract.deleted` is given.
    #[serde(default)]
    pub delete: Option<UpdateSection>,
    /// How to find out whether the destination has a record, where the outcome of a create is not
    /// known or the destination says that the record exists.
    #[serde(default)]
    pub lookup: Option<LookupSection>,
    /// What to do when the destination fails.
    #[serde(default)]
    pub retry: RetrySection,
    /// What answers mean where that is not what HTTP says; before the system's own rules.
    #[serde(default)]
    pub answers: Vec<AnswerRuleSection>,
}

/// How a record is made at the destination; without a body of its own it sends the mapped record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct CreateSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The destination's id of the new record, in the answer.
    pub id: Jq,
    /// A header that makes the destination ignore a repeated create, such as `Idempotency-Key`.
    #[serde(default)]
    pub idempotency_header: Option<String>,
}

/// How a record is changed or deleted at the destination; without a body of its own a change sends
/// the mapped record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct UpdateSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
}

/// How to find out whether the destination has a record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct LookupSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The destination's id in the answer; null where it has no such record.
    pub id: Jq,
}

/// What to do when the destination fails.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySection {
    /// How often a record is tried before it becomes a dead letter.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
}

impl Default for RetrySection {
    fn default() -> RetrySection {
        RetrySection { attempts: default_attempts() }
    }
}

fn default_attempts() -> u32 {
    8
}
