//! The section `load` of a flow file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    files::FilesSection,
    request::{AnswerMeaning, AnswerRuleSection, RequestSection},
    table::TableSection,
    text::{JqExpression, ResourceName},
};

/// The destination of the records: a `system`, a `table` or `files`. A flow to a system has one or
/// more of `create`, `update` and `delete`. A record that needs another operation is not sent, and
/// its outcome is `filtered`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSection {
    /// The system that is written, with `create`, `update` and `delete`.
    #[serde(default)]
    pub system: Option<ResourceName>,
    /// The PostgreSQL table that is written, in place of a system. Rows are created, changed and
    /// deleted by the records' keys.
    #[serde(default)]
    pub table: Option<TableSection>,
    /// The files that are written, in place of a system: one file for the records of each batch.
    /// Files are a log of what arrived, so nothing in them is changed or deleted.
    #[serde(default)]
    pub files: Option<FilesSection>,
    /// The request that creates a record which the destination does not have: `{ request: POST
    /// /customers, id: .customer.id }`. If left out, such records are not sent.
    #[serde(default)]
    pub create: Option<CreateSection>,
    /// The request that changes a record which the destination has: `{ request: "PUT
    /// /customers/{$id}" }`, where `$id` is the destination's id. In flows with neither `create`
    /// nor `lookup` it is the `$key`. If left out, such records are not sent.
    #[serde(default)]
    pub update: Option<UpdateSection>,
    /// The request that deletes a record: `{ request: "DELETE /customers/{$id}" }`. Required where
    /// the flow recognises deletions.
    #[serde(default)]
    pub delete: Option<UpdateSection>,
    /// The request that finds a record at the destination: `{ request: "GET
    /// /customers?email={.email}", id: .customers[0].id }`. It is used when the outcome of a create
    /// is unknown, when the destination says that a record exists or is gone, and in flows that
    /// create nothing.
    #[serde(default)]
    pub lookup: Option<LookupSection>,
    /// Sends many records in one request. It applies to the requests above whose path names no
    /// record, such as `POST /customers/batch`. A request whose path names a record, such as
    /// `DELETE /customers/{$id}`, is sent for each record. In the body of a bulk request, `.` is
    /// the list of `{ key, id, op, version, data }`: `{ customers: [.[] | .data] }`. By default,
    /// the body is the list of the mapped records.
    #[serde(default)]
    pub batch: Option<BatchSection>,
    /// The changes of one key that are applied: the `latest`, or `every` one in the order of the
    /// versions.
    #[serde(default)]
    pub order: ChangeOrder,
    /// The reaction to failures of the destination.
    #[serde(default)]
    pub retry: RetrySection,
    /// Rules for answers that mean something else than their HTTP status says. They go before the
    /// system's rules.
    #[serde(default)]
    pub answers: Vec<AnswerRuleSection>,
}

/// The request that creates a record. Without a `body` it sends the mapped record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct CreateSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The destination's id of the new record, in the answer: `.customer.id`. Left out where the
    /// destination's id is the record's `$key`, as in `PUT /customers/{$key}`. Then the answer is
    /// not read.
    #[serde(default)]
    pub id: Option<JqExpression>,
    /// A header that makes the destination ignore a repeated create, such as `Idempotency-Key`. Its
    /// value is made from the flow, the record's key and its content.
    #[serde(default)]
    pub idempotency_header: Option<String>,
}

/// A request that changes or deletes a record. Without a `body`, a change sends the mapped record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct UpdateSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// Sends `If-Match` with the ETag of the last answer about the record, so that the destination
    /// refuses (412) to overwrite somebody else's change. `true` makes a dead letter of the record;
    /// a replay of the letter then overwrites the change. `overwrite` reads the current ETag and
    /// tries once more.
    #[serde(default)]
    pub if_match: Option<IfMatch>,
}

/// The request that finds a record at the destination.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct LookupSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The destination's id in the answer. Null where the destination has no such record.
    pub id: JqExpression,
    /// Looks before each first create of a record as well, for destinations that already have some
    /// of the records. These are updated instead of created twice.
    #[serde(default)]
    pub before_create: bool,
}

/// Bulk requests, and their verdicts on each record.
///
/// A bulk request that is refused as a whole, without a verdict on each record, is sent again with
/// half of the records, and so on: `k` wrong records among `n` cost at most `2 * k * log2(n)` more
/// requests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSection {
    /// The highest number of records in one request. It is also limited by the flow's `batch_size`.
    #[serde(default = "default_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub size: u32,
    /// The verdicts in an answer, one output for each record: `.results[]`. `create.id` is read
    /// from the verdict. If left out, an answer that is not a failure accepts every record.
    #[serde(default)]
    pub results: Option<JqExpression>,
    /// The key of the verdict's record, in the verdict. If left out, the verdicts have the order of
    /// the records.
    #[serde(default)]
    pub key: Option<JqExpression>,
    /// The error of the verdict's record, in the verdict: `.error`. Null or false where the record
    /// is accepted.
    #[serde(default)]
    pub rejected: Option<JqExpression>,
    /// Rules for verdicts that mean neither: `{ when: .code == 429, means: throttled }`. They go
    /// before `rejected`, and the first rule that applies decides.
    #[serde(default)]
    pub verdicts: Vec<VerdictRuleSection>,
}

/// A rule that says what some verdicts mean.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictRuleSection {
    /// A test of the verdicts that the rule applies to, as jq. `.` is the verdict.
    pub when: JqExpression,
    /// The meaning for the verdict's record, as if it were an answer about this record alone.
    pub means: AnswerMeaning,
}

/// The changes of one key that are applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOrder {
    /// The latest change. An older change that comes later, waits or is dead is stale.
    #[default]
    Latest,
    /// Every change, in the order of the versions. While one change waits or is dead, the later
    /// changes of its key wait behind it.
    Every,
}

/// The reaction when somebody else changed a record at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// The record becomes a dead letter.
    Refuse,
    /// The record overwrites the change.
    Overwrite,
}

impl<'de> Deserialize<'de> for IfMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IfMatch, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum TruthOrWord {
            Truth(bool),
            Word(String),
        }
        match TruthOrWord::deserialize(deserializer)? {
            TruthOrWord::Truth(true) => Ok(IfMatch::Refuse),
            TruthOrWord::Word(word) if word == "overwrite" => Ok(IfMatch::Overwrite),
            _ => Err(D::Error::custom("expected true or overwrite")),
        }
    }
}

impl JsonSchema for IfMatch {
    fn schema_name() -> Cow<'static, str> {
        "IfMatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "enum": [true, "overwrite"],
            "patternErrorMessage": "expected true, for a dead letter, or overwrite",
        })
    }
}

/// The reaction to failures of the destination.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySection {
    /// The number of attempts before a record becomes a dead letter.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
}

impl Default for RetrySection {
    fn default() -> RetrySection {
        RetrySection {
            attempts: default_attempts(),
        }
    }
}

fn default_size() -> u32 {
    100
}

fn default_attempts() -> u32 {
    8
}
