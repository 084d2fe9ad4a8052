//! The section `extract` of a flow, compiled.

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

/// The source of a flow's records.
#[derive(Debug)]
pub struct ExtractRules {
    /// The system's name.
    pub system: String,
    /// The listing of the records. None where the source only delivers them.
    pub listing: Option<ListingRequest>,
    /// The outer listing. The records are listed for each of its rows.
    pub for_each: Option<ListingRequest>,
    /// The request for each row.
    pub fetch: Option<FetchRequest>,
    pub key: Expression,
    pub version: Option<Expression>,
    pub version_type: Option<VersionType>,
    /// The time zone of the source's clock, where the flow says it.
    pub timezone: Option<TimeZone>,
    pub cursor: Option<CursorRules>,
    /// A test that is true for records that the source deleted.
    pub deleted: Option<Expression>,
    pub deletions: Option<DeletionRules>,
    /// The highest percentage of the known records that may be missing from a full reading and are
    /// then deleted.
    pub sweep: Option<u32>,
    pub schedule: Option<Schedule>,
    pub webhook: Option<Arc<WebhookRules>>,
    /// Rules about answers. They go before the system's rules.
    pub answers: Vec<AnswerRule>,
}

/// A request whose answers are pages of rows.
#[derive(Debug)]
pub struct ListingRequest {
    /// The section of the flow, `extract` or `extract.for_each`, for error messages.
    pub place: String,
    pub request: RequestTemplate,
    pub paginate: Pagination,
    /// The format of the answers, where the flow says it.
    pub format: Option<BodyFormat>,
    /// The rows in an answer.
    pub records: Expression,
    /// The same rows, read from the answer as it comes. None where paging or the cursor needs the
    /// whole answer.
    pub streamed_list: Option<StreamedList>,
    /// The sync token in an answer, in flows whose cursor is one.
    pub sync_token: Option<SyncToken>,
}

/// The rows of one list in a JSON answer.
#[derive(Debug)]
pub struct StreamedList {
    pub path: RowPath,
    /// The records in each element of the list.
    pub each: Expression,
}

/// A request for each row.
#[derive(Debug)]
pub struct FetchRequest {
    pub request: RequestTemplate,
    /// The format of the answers, where the flow says it.
    pub format: Option<BodyFormat>,
    /// The record in the answer. None where it is the whole answer.
    pub record: Option<Expression>,
}

impl FetchRequest {
    /// True where one of the expressions uses the variable. `name` has no dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        self.request.uses_variable(name)
            || self
                .record
                .as_ref()
                .is_some_and(|record| record.uses_variable(name))
    }
}

/// A listing of the records that the source deleted.
#[derive(Debug)]
pub struct DeletionRules {
    pub listing: ListingRequest,
    pub key: Expression,
    pub version: Option<Expression>,
    pub version_type: Option<VersionType>,
}

/// The way to the next page.
#[derive(Debug)]
pub enum Pagination {
    /// There is one page.
    None,
    /// The next page's URL in the answer.
    Next(Expression),
    /// The relation of the `Link` header with the next page's URL.
    Link(String),
    /// Numbered pages.
    Page {
        /// The query parameter for the number.
        param: Option<String>,
        /// The number of the first page.
        start: u64,
        /// A test that is true for the last page.
        last: Option<Expression>,
    },
    /// Pages by offset.
    Offset {
        /// The query parameter for the offset.
        param: Option<String>,
        /// A test that is true for the last page.
        last: Option<Expression>,
    },
    /// A token for the next page in the answer.
    Token {
        /// The token in an answer.
        value: Expression,
        /// The query parameter for the token.
        param: Option<String>,
    },
}

/// Rules about how far the source has been read.
#[derive(Debug)]
pub struct CursorRules {
    pub source: CursorSource,
    /// The place where the first run begins. Tokens and links may have none.
    pub start: Option<String>,
    /// The time by which each run reaches back behind the cursor.
    pub overlap: Option<Duration>,
    /// The length of the time windows that are read one after the other.
    pub step: Option<Duration>,
}

impl ExtractRules {
    /// The cursor's value in a record. None where a token or a link is the cursor.
    pub fn cursor_value(&self) -> Option<&Expression> {
        self.cursor.as_ref().and_then(CursorRules::value)
    }
}

/// The origin of a cursor.
#[derive(Debug)]
pub enum CursorSource {
    /// The highest of these values in the records.
    Value(Expression),
    /// The token in the last answer. Tokens are not compared.
    Token,
    /// The URL in the last answer.
    Link,
}

impl CursorRules {
    /// The cursor's value in a record. None where a token or a link is the cursor.
    pub fn value(&self) -> Option<&Expression> {
        match &self.source {
            CursorSource::Value(value) => Some(value),
            CursorSource::Token | CursorSource::Link => None,
        }
    }

    /// True where the cursor is a URL from the last answer.
    pub fn is_link(&self) -> bool {
        matches!(self.source, CursorSource::Link)
    }
}

/// A sync token, and the query parameter that takes it.
#[derive(Debug)]
pub struct SyncToken {
    /// The token, or the URL, in an answer.
    pub value: Expression,
    /// The query parameter for the token.
    pub param: Option<String>,
}
