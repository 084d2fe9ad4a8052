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

/// Where the records go: to a `system`, into a `table` or into `files`. Of `create`, `update` and
/// `delete` a flow to a system has those that it is to do: a record that needs another is left alone,
/// and its outcome is `filtered`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadSection {
    /// The system to write, by `create`, `update` and `delete`.
    #[serde(default)]
    pub system: Option<ResourceName>,
    /// The PostgreSQL table to write, instead of a system: its rows are made, changed and deleted by the
    /// records' keys.
    #[serde(default)]
    pub table: Option<TableSection>,
    /// The files to write, instead of a system: one for the records of each batch. They are a log of
    /// what came, so nothing in them is changed or deleted.
    #[serde(default)]
    pub files: Option<FilesSection>,
    /// How a record that the destination does not have is made there:
    /// `{ request: POST /customers, id: .customer.id }`. Left out, such a record is left alone.
    #[serde(default)]
    pub create: Option<CreateSection>,
    /// How a record that the destination has is changed there: `{ request: "PUT /customers/{$id}" }`,
    /// where `$id` is the destination's id of it; in flows with neither `create` nor `lookup` that is its
    /// `$key`. Left out, such a record is left alone.
    #[serde(default)]
    pub update: Option<UpdateSection>,
    /// How a record is deleted there: `{ request: "DELETE /customers/{$id}" }`; needed where the flow
    /// recognises deletions.
    #[serde(default)]
    pub delete: Option<UpdateSection>,
    /// How to find a record at the destination that the ledger does not know:
    /// `{ request: "GET /customers?email={.email}", id: .customers[0].id }`. It is used where the outcome
    /// of a create is not known, where the destination says that a record exists or is gone, and in
    /// flows that create nothing.
    #[serde(default)]
    pub lookup: Option<LookupSection>,
    /// Sends many records with one request: those of the requests above whose path names no record, such as
    /// `POST /customers/batch`; one whose path does, such as `DELETE /customers/{$id}`, is made for each record
    /// by itself. In the body of a request for many, `.` is the list of `{ key, id, op, version, data }`:
    /// `{ customers: [.[] | .data] }`. Left out, the body is the list of the mapped records.
    #[serde(default)]
    pub batch: Option<BatchSection>,
    /// Which changes of one key are applied: the `latest`, or `every` one of them in the order of their
    /// versions.
    #[serde(default)]
    pub order: ChangeOrder,
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
    /// The destination's id of the new record, in the answer: `.customer.id`. Left out where the
    /// destination's id is the record's `$key`, as in `PUT /customers/{$key}`; the answer is not read then.
    #[serde(default)]
    pub id: Option<JqExpression>,
    /// A header that makes the destination ignore a repeated create, such as `Idempotency-Key`. Its
    /// value is made of the flow, the record's key and its content.
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
    /// Sends `If-Match` with the ETag of the last answer about the record, so that the destination
    /// refuses with 412 what somebody else has changed meanwhile: `true` makes a dead letter of it, which
    /// overwrites the change when it is replayed; `overwrite` reads the current ETag and tries once more.
    #[serde(default)]
    pub if_match: Option<IfMatch>,
}

/// How to find a record at the destination.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct LookupSection {
    /// The request.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The destination's id in the answer; null where it has no such record.
    pub id: JqExpression,
    /// Looks before each first create of a record as well: for destinations that have some of the
    /// records already, which are then updated and not made twice.
    #[serde(default)]
    pub before_create: bool,
}

/// How many records are sent with one request, and how their verdicts are read.
///
/// A request that is refused as a whole, without a verdict on each record, is made again with half of them,
/// and so on: `k` records at fault among `n` take no more than `2 * k * log2(n)` further requests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSection {
    /// The most records in one request. There are never more than the flow's `batch_size`.
    #[serde(default = "default_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub size: u32,
    /// The verdicts in an answer, one output for each record: `.results[]`. `create.id` is read from a
    /// verdict. Left out, an answer that is no failure accepts every record.
    #[serde(default)]
    pub results: Option<JqExpression>,
    /// The key of the record that a verdict is about, in the verdict; left out, verdicts come in the order
    /// of the records.
    #[serde(default)]
    pub key: Option<JqExpression>,
    /// What is wrong with the record, in its verdict: `.error`. Null or false where it is accepted.
    #[serde(default)]
    pub rejected: Option<JqExpression>,
    /// What verdicts mean that are neither: `{ when: .code == 429, means: throttled }`. The first that is
    /// about a verdict decides, before `rejected`.
    #[serde(default)]
    pub verdicts: Vec<VerdictRuleSection>,
}

/// What some verdicts mean.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictRuleSection {
    /// The verdicts for which this is true, where `.` is the verdict.
    pub when: JqExpression,
    /// What they mean for their record, as an answer about it alone would.
    pub means: AnswerMeaning,
}

/// Which changes of one key are applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOrder {
    /// The newest: an older one that comes later, or waits, or is dead, is stale.
    #[default]
    Latest,
    /// Each, in the order of their versions: while one waits or is dead, the later ones of its key wait
    /// behind it.
    Every,
}

/// What is done about a record that somebody else changed at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// It becomes a dead letter.
    Refuse,
    /// It is overwritten.
    Overwrite,
}

impl<'de> Deserialize<'de> for IfMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IfMatch, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Truth(bool),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Truth(true) => Ok(IfMatch::Refuse),
            Written::Word(word) if word == "overwrite" => Ok(IfMatch::Overwrite),
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
