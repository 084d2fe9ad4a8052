//! The section `extract` of a flow file.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::{
    Period, VersionType,
    format::FormatSection,
    request::{AnswerRuleSection, RequestSection},
    text::{JqExpression, ResourceName},
    webhook::WebhookSection,
};

/// Where the records come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ExtractSection {
    /// The system to read.
    pub system: ResourceName,
    /// The request that lists the records; left out, the source delivers them by `webhook`, and nothing is
    /// read.
    #[serde(flatten)]
    pub listing: Option<ListingSection>,
    /// Another listing, for each row of which the records are listed: the orders of each customer. The
    /// row is `$parent` in the request, in `records`, `key`, `version` and `deleted`.
    #[serde(default)]
    pub for_each: Option<ListingSection>,
    /// A request for each row, where a list gives little more than ids.
    #[serde(default)]
    pub fetch: Option<FetchSection>,
    /// A record's primary key.
    pub key: JqExpression,
    /// What orders the changes of one key: a time, a number or text. Left out, the order of reading.
    #[serde(default)]
    pub version: Option<JqExpression>,
    /// What versions are; left out, each is taken for what it looks like, and a key whose versions are of
    /// different types is refused. Once it is given, versions of other types that were applied before
    /// count as older.
    #[serde(default)]
    pub version_type: Option<VersionType>,
    /// The zone of the clock by which the source writes times that name none, `Europe/Warsaw`, where its versions or
    /// its cursor are such; left out, it may be any: a time that comes twice on any clock of the earth, when that is
    /// put back, is taken for one that does so here.
    #[serde(default)]
    pub timezone: Option<String>,
    /// How far the source has been read; left out, every run reads everything.
    #[serde(default)]
    pub cursor: Option<CursorSection>,
    /// Whether the source deleted the record.
    #[serde(default)]
    pub deleted: Option<JqExpression>,
    /// A listing of what the source deleted, read after the records.
    #[serde(default)]
    pub deletions: Option<DeletionsSection>,
    /// Takes what the source no longer lists for deleted; for runs that read everything, as of flows without a
    /// cursor, and those that begin without a token or a link.
    #[serde(default)]
    pub sweep: Option<SweepSection>,
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

/// A request whose answers are pages of rows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ListingSection {
    /// The request of a page.
    #[serde(flatten)]
    pub request: RequestSection,
    /// How to come to the next page; left out where one answer holds everything.
    #[serde(default)]
    pub paginate: Option<PaginateSection>,
    /// What answers are written in; left out, what their Content-Type says, or else JSON.
    #[serde(default)]
    pub format: Option<FormatSection>,
    /// The rows in an answer, one output each: of JSON, such as `.customers[]`. Of formats that have rows
    /// of their own, each of these is `.`, and `records` may be left out.
    #[serde(default)]
    pub records: Option<JqExpression>,
}

/// A request for each row; what `record` finds in its answer takes the row's place.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct FetchSection {
    /// The request, `GET /customers/{.id}`, where `.` is the row. A row that the source does not have
    /// any more (404, 410) is deleted, or left out where the flow has no `load.delete`.
    #[serde(flatten)]
    pub request: RequestSection,
    /// What answers are written in; left out, what their Content-Type says, or else JSON.
    #[serde(default)]
    pub format: Option<FormatSection>,
    /// The record in the answer; left out, the whole answer.
    #[serde(default)]
    pub record: Option<JqExpression>,
}

/// A listing of what the source deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DeletionsSection {
    /// The request that lists the deletions.
    #[serde(flatten)]
    pub listing: ListingSection,
    /// The key of the deleted record in a row.
    pub key: JqExpression,
    /// The version of the deletion in a row; needed where the flow's records have a version.
    #[serde(default)]
    pub version: Option<JqExpression>,
}

/// Taking what the source no longer lists for deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepSection {
    /// The run fails, and deletes nothing, where more of the records known before are missing than
    /// this, in percent: then rather the listing is at fault.
    #[serde(default = "default_max_deletes")]
    #[schemars(range(max = 100))]
    pub max_deletes: u32,
}

fn default_max_deletes() -> u32 {
    10
}

/// How to come to the next page.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PaginateSection {
    /// The answer holds the next page's URL; null or missing on the last page.
    Next(JqExpression),
    /// A `Link` header holds the next page's URL (RFC 8288) under this relation, which is `next` mostly.
    Link(String),
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
        last: Option<JqExpression>,
    },
    /// Rows are skipped; the first page without rows is the end, or the one that `last` names.
    Offset {
        /// The query parameter that takes the offset; left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
        /// Whether an answer is the last page, for sources that refuse a page past the end.
        #[serde(default)]
        last: Option<JqExpression>,
    },
    /// The answer holds a token for the next page; null, missing or empty on the last page.
    Token {
        /// The token in an answer.
        value: JqExpression,
        /// The query parameter that takes it; left out where the request uses `$page`.
        #[serde(default)]
        param: Option<String>,
    },
}

fn first_page() -> u64 {
    1
}

/// How far the source has been read: a value in its records, of which the highest counts, or what its last answer
/// says, a token or a link.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorSection {
    /// The value in a record: the next run begins at the highest one seen. Null where a record has none, which then
    /// says nothing about how far was read.
    #[serde(default)]
    pub value: Option<JqExpression>,
    /// The token in an answer that stands for what has been read, `.nextSyncToken`: the next run begins at that of
    /// the last answer which has one, whatever it looks like. A source that does not know it any more (404, 410) is
    /// read anew.
    #[serde(default)]
    pub token: Option<JqExpression>,
    /// The URL in an answer of what will have changed, `.["@odata.deltaLink"]`: the next run begins there, as by a
    /// token.
    #[serde(default)]
    pub link: Option<JqExpression>,
    /// The query parameter that takes the token, which the request has none of where there is no token yet; left
    /// out where the request uses `$cursor`.
    #[serde(default)]
    pub param: Option<String>,
    /// Where the first run begins; of a token, left out where there is none to begin at, as of a link.
    /// Text or a number: what is written as a number is one in expressions, until the source gives such values as
    /// text.
    #[serde(default, deserialize_with = "optional_text_or_integer")]
    #[schemars(extend("type" = ["string", "integer"]))]
    pub start: Option<String>,
    /// How far each run reaches back behind the cursor, for changes the source shows late. What is
    /// read twice is sent once.
    #[serde(default)]
    pub overlap: Option<Period>,
    /// Reads in windows of time, from `$cursor` to `$until`, one after the other up to now: for sources
    /// that answer only so much time at once.
    #[serde(default)]
    pub step: Option<Period>,
}

/// Text, or an integer by its digits.
fn optional_text_or_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected text, or an integer of at most 19 digits; longer ones go into quotes"
    )]
    enum Written {
        Text(String),
        Integer(i64),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Integer(integer) => integer.to_string(),
    }))
}

/// When a flow runs by itself: `{ every: 5m }`, or by the clock, `{ cron: "0 6 * * MON-FRI" }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// The time from the start of one run to the start of the next.
    #[serde(default)]
    pub every: Option<Period>,
    /// Minute, hour, day of the month, month and day of the week, as for cron. A run that was missed, since
    /// nothing was running, is made up for once.
    #[serde(default)]
    pub cron: Option<String>,
    /// The time zone of `cron`, `Europe/Warsaw`; UTC where it is left out. A time that the change to summer
    /// time leaves out comes when the clock has moved on.
    #[serde(default)]
    pub timezone: Option<String>,
}
