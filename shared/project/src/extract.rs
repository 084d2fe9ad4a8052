//! Where a flow's records come from, compiled.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use pomost_expression::Expression;
use pomost_format::{BodyFormat, RowPath};
use pomost_models::VersionType;

pub use crate::schedule::Schedule;
use crate::{
    request::{AnswerRule, RequestTemplate},
    webhook::WebhookRules,
};

/// Where the records come from.
#[derive(Debug)]
pub struct ExtractRules {
    /// The system's name.
    pub system: String,
    /// What lists the records; none where the source only delivers them.
    pub listing: Option<ListingRequest>,
    /// What lists those for each of whom the records are listed.
    pub for_each: Option<ListingRequest>,
    /// What to ask about each row.
    pub fetch: Option<FetchRequest>,
    /// A record's key.
    pub key: Expression,
    /// A record's version.
    pub version: Option<Expression>,
    /// What versions are, where the flow says it.
    pub version_type: Option<VersionType>,
    /// The zone of the clock of times that name none, where the flow says it.
    pub timezone: Option<TimeZone>,
    /// How far the source has been read.
    pub cursor: Option<CursorRules>,
    /// Whether the source deleted the record.
    pub deleted: Option<Expression>,
    /// What lists the deletions.
    pub deletions: Option<DeletionRules>,
    /// The percentage of the known records that may be missing from a full reading, each then deleted.
    pub sweep: Option<u32>,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
    /// Where the source delivers changes by itself.
    pub webhook: Option<Arc<WebhookRules>>,
    /// What its answers mean, before what the system's rules say.
    pub answers: Vec<AnswerRule>,
}

/// A request whose answers are pages of rows.
#[derive(Debug)]
pub struct ListingRequest {
    /// Where it stands in the flow, `extract` or `extract.for_each`: what errors name.
    pub place: String,
    /// The request of a page.
    pub request: RequestTemplate,
    /// How to come to the next page.
    pub paginate: Pagination,
    /// What answers are written in, where the flow says it.
    pub format: Option<BodyFormat>,
    /// The rows in an answer.
    pub records: Expression,
    /// The same rows of a JSON answer as they come, where nothing else needs the whole answer.
    pub streamed_list: Option<StreamedList>,
    /// What in its answers says how far the source has been read, where they do.
    pub sync_token: Option<SyncToken>,
}

/// The rows of one list in a JSON answer.
#[derive(Debug)]
pub struct StreamedList {
    /// Where the list is.
    pub path: RowPath,
    /// The records in each of its elements.
    pub each: Expression,
}

/// A request for each row.
#[derive(Debug)]
pub struct FetchRequest {
    /// The request.
    pub request: RequestTemplate,
    /// What answers are written in, where the flow says it.
    pub format: Option<BodyFormat>,
    /// The record in the answer.
    pub record: Option<Expression>,
}

impl FetchRequest {
    /// Whether one of its expressions uses a variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.request.uses_variable(name)
            || self
                .record
                .as_ref()
                .is_some_and(|record| record.uses_variable(name))
    }
}

/// A listing of what the source deleted.
#[derive(Debug)]
pub struct DeletionRules {
    /// What lists the deletions.
    pub listing: ListingRequest,
    /// The key of the deleted record.
    pub key: Expression,
    /// The version of the deletion.
    pub version: Option<Expression>,
    /// What versions are, where the flow says it.
    pub version_type: Option<VersionType>,
}

/// How to come to the next page.
#[derive(Debug)]
pub enum Pagination {
    /// There is one page.
    None,
    /// The answer holds the next page's URL.
    Next(Expression),
    /// A `Link` header of this relation holds the next page's URL.
    Link(String),
    /// Pages are numbered.
    Page {
        /// The query parameter that takes the number.
        param: Option<String>,
        /// The number of the first page.
        start: u64,
        /// Whether an answer is the last page.
        last: Option<Expression>,
    },
    /// Rows are skipped.
    Offset {
        /// The query parameter that takes the offset.
        param: Option<String>,
        /// Whether an answer is the last page.
        last: Option<Expression>,
    },
    /// The answer holds a token for the next page.
    Token {
        /// The token in an answer.
        value: Expression,
        /// The query parameter that takes it.
        param: Option<String>,
    },
}

/// How far the source has been read.
#[derive(Debug)]
pub struct CursorRules {
    /// What says it.
    pub source: CursorSource,
    /// Where the first run begins; only where a token or a link says how far was read is there none.
    pub start: Option<String>,
    /// How far each run reaches back behind the cursor.
    pub overlap: Option<Duration>,
    /// How much time is read at once.
    pub step: Option<Duration>,
}

impl ExtractRules {
    /// The value in a record that says how far the source has been read, where such do.
    pub fn cursor_value(&self) -> Option<&Expression> {
        self.cursor.as_ref().and_then(CursorRules::value)
    }
}

/// What says how far the source has been read.
#[derive(Debug)]
pub enum CursorSource {
    /// The highest of these values in its records.
    Value(Expression),
    /// The token in its last answer, which is not compared.
    Token,
    /// The URL in its last answer.
    Link,
}

impl CursorRules {
    /// The value in a record, where such say how far was read.
    pub fn value(&self) -> Option<&Expression> {
        match &self.source {
            CursorSource::Value(value) => Some(value),
            CursorSource::Token | CursorSource::Link => None,
        }
    }

    /// Whether it is the URL of what will have changed.
    pub fn is_link(&self) -> bool {
        matches!(self.source, CursorSource::Link)
    }
}

/// What in an answer says how far the source has been read, and what takes that.
#[derive(Debug)]
pub struct SyncToken {
    /// The token, or the URL.
    pub value: Expression,
    /// The query parameter that takes the token.
    pub param: Option<String>,
}
