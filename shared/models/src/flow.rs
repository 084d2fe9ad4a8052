//! `flows/*.yaml`: one kind of record going from one system to another.

use schemars::JsonSchema;
use serde::Deserialize;

pub use crate::text::{Jq, Name, RequestLine};
use crate::{
    Period,
    request::{AnswerRuleSection, RequestSection},
    webhook::WebhookSection,
};

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

/// Where the records come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ExtractSection {
    /// The system to read.
    pub system: Name,
    /// The request of a page.
    #[serde(flatten)]
    pub request: RequestSection,
    /// How to come to the next page; left out where one answer holds everything.
    #[serde(default)]
    pub paginate: Option<PaginateSection>,
    /// The records in an answer: one output each.
    pub records: Jq,
    /// A record's primary key.
    pub key: Jq,
    /// What orders the changes of one key: a time, a number or text. Left out, the order of reading.
    #[serde(default)]
    pub version: Option<Jq>,
    /// How far the source has been read; left out, every run reads everything.
    #[serde(default)]
    pub cursor: Option<CursorSection>,
    /// Whether the source deleted the record.
    #[serde(default)]
    pub deleted: Option<Jq>,
    /// When to run by itself; left out, only `pomost sync` runs it.
    #[serde(default)]
    pub schedule: Option<ScheduleSection>,
    /// Where the source delivers changes by itself, beside being read: deliveries give latency, and
    /// reading proves that none was missed.
    #[serde(default)]
    pub webhook: Option<WebhookSection>,
    /// A JSON Schema file that every record of the source must satisfy.
    #[serde(default)]
    pub expect: Option<String>,
    /// What answers mean where that is not what HTTP says; before the system's own rules.
    #[serde(default)]
    pub answers: Vec<AnswerRuleSection>,
}

/// How to come to the next page.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PaginateSection {
    /// The answer holds the next page's URL; null or missing on the last page.
    Next(Jq),
    /// Pages are numbered; the first page without rows is the end, or the one that `last` names.
    Page {
        /// The query parameter that takes the number; left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
        /// The number of the first page.
        #[serde(default = "first_page")]
        #[schemars(range(max = 1_000_000_000))]
        start: u64,
        /// Whether an answer is the last page, for sources that refuse a page past the end.
        #[serde(default)]
        last: Option<Jq>,
    },
    /// Rows are skipped; the first page without rows is the end, or the one that `last` names.
    Offset {
        /// The query parameter that takes the offset; left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
        /// Whether an answer is the last page, for sources that refuse a page past the end.
        #[serde(default)]
        last: Option<Jq>,
    },
    /// The answer holds a token for the next page; null, missing or empty on the last page.
    Token {
        /// The token in an answer.
        value: Jq,
        /// The query parameter that takes it; left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
    },
}

fn first_page() -> u64 {
    1
}

/// How far the source has been read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorSection {
    /// The value in a record: the next run begins at the highest one seen.
    pub value: Jq,
    /// Where the first run begins.
    pub start: String,
    /// How far each run reaches back behind the cursor, for changes the source shows late. What is
    /// read twice is sent once.
    #[serde(default)]
    pub overlap: Option<Period>,
}

/// When a flow runs by itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// The time from the start of one run to the start of the next.
    pub every: Period,
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
