//! The section `extract` of a flow file.

mod cursor;
mod paginate;
mod schedule;

pub use cursor::CursorSection;
pub use paginate::PaginateSection;
pub use schedule::ScheduleSection;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    VersionType,
    format::FormatSection,
    request::{AnswerRuleSection, RequestSection},
    text::{JqExpression, ResourceName},
    webhook::WebhookSection,
};

/// The source of the records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ExtractSection {
    /// The system that is read.
    pub system: ResourceName,
    /// The request that lists the records. If left out, nothing is read, and the source delivers
    /// the records to `webhook`.
    #[serde(flatten)]
    pub listing: Option<ListingSection>,
    /// An outer listing. The records are listed for each of its rows, for example the orders of
    /// each customer. The row is `$parent` in the request, in `records`, `key`, `version` and
    /// `deleted`.
    #[serde(default)]
    pub for_each: Option<ListingSection>,
    /// A request for each row, for sources whose lists contain little more than ids.
    #[serde(default)]
    pub fetch: Option<FetchSection>,
    /// The record's primary key.
    pub key: JqExpression,
    /// The version of the record, which orders the changes of one key: a time, a number or text. If
    /// left out, changes are ordered by when they were read.
    #[serde(default)]
    pub version: Option<JqExpression>,
    /// The type of the versions. If left out, the type is recognised by the look of each version,
    /// and a key with versions of different types is refused. Once it is given, versions of other
    /// types that were applied before count as older.
    #[serde(default)]
    pub version_type: Option<VersionType>,
    /// The time zone of the source's clock, `Europe/Warsaw`, for versions and cursors that are
    /// times without a zone. If left out, the clock may be in any zone: every hour that some clock
    /// on earth shows twice, when it is put back, is treated as one that may occur twice.
    #[serde(default)]
    pub timezone: Option<String>,
    /// The cursor: how far the source has been read. If left out, every run reads everything.
    #[serde(default)]
    pub cursor: Option<CursorSection>,
    /// A test that is true for records that the source deleted.
    #[serde(default)]
    pub deleted: Option<JqExpression>,
    /// A listing of the records that the source deleted. It is read after the records.
    #[serde(default)]
    pub deletions: Option<DeletionsSection>,
    /// Deletes the records that the source no longer lists. It works in runs that read everything:
    /// in flows without a cursor, and in runs that begin without a token or a link.
    #[serde(default)]
    pub sweep: Option<SweepSection>,
    /// The times at which the flow runs by itself. If left out, only `pomost sync` runs it.
    #[serde(default)]
    pub schedule: Option<ScheduleSection>,
    /// The webhook that the source delivers changes to, beside being read. Deliveries arrive early,
    /// and reading proves that none was missed.
    #[serde(default)]
    pub webhook: Option<WebhookSection>,
    /// A JSON Schema file that every record of the source must satisfy.
    #[serde(default)]
    pub expect: Option<String>,
    /// Rules for answers that mean something else than their HTTP status says. They go before the
    /// system's rules.
    #[serde(default)]
    pub answers: Vec<AnswerRuleSection>,
}

/// A request whose answers are pages of rows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ListingSection {
    /// The request for a page.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The way to the next page. If left out, one answer contains everything.
    #[serde(default)]
    pub paginate: Option<PaginateSection>,
    /// The format of the answers. By default the one that their Content-Type names, or else JSON.
    #[serde(default)]
    pub format: Option<FormatSection>,
    /// The rows in an answer, one output for each: `.customers[]`. In formats with rows of their
    /// own, `.` is one row, and `records` may be left out.
    #[serde(default)]
    pub records: Option<JqExpression>,
}

/// A request for each row. The record in its answer replaces the row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct FetchSection {
    /// The request, `GET /customers/{.id}`, where `.` is the row. A row that the source no longer
    /// has (404, 410) is deleted, or left out where the flow has no `load.delete`.
    #[serde(flatten)]
    pub request: RequestSection,
    /// The format of the answers. By default the one that their Content-Type names, or else JSON.
    #[serde(default)]
    pub format: Option<FormatSection>,
    /// The record in the answer. The whole answer by default.
    #[serde(default)]
    pub record: Option<JqExpression>,
}

/// A listing of the records that the source deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DeletionsSection {
    /// The request that lists the deletions.
    #[serde(flatten)]
    pub listing: ListingSection,
    /// The key of the deleted record, in a row.
    pub key: JqExpression,
    /// The version of the deletion, in a row. Required where the flow's records have a version.
    #[serde(default)]
    pub version: Option<JqExpression>,
}

/// Deletion of the records that the source no longer lists.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepSection {
    /// The highest share of the known records that may be missing, in percent. If more are missing,
    /// the run fails and deletes nothing: then the listing is probably wrong.
    #[serde(default = "default_max_deletes")]
    #[schemars(range(max = 100))]
    pub max_deletes: u32,
}

fn default_max_deletes() -> u32 {
    10
}
