//! A flow, with its expressions and schemas compiled.

use std::time::Duration;

use pomost_expression::Expression;

pub use crate::request::Request;
use crate::{request::AnswerRule, schema::Schema, webhook::Webhook};

/// One kind of record going from one system to another.
#[derive(Debug)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// Where the records come from.
    pub extract: Extract,
    /// What becomes of them on the way.
    pub transform: Transform,
    /// Where they go.
    pub load: Load,
    /// The paths of fields with personal data.
    pub sensitive: Vec<Expression>,
    /// How many records one message carries at most.
    pub batch_size: usize,
}

/// Where the records come from.
#[derive(Debug)]
pub struct Extract {
    /// The system's name.
    pub system: String,
    /// The request of a page.
    pub request: Request,
    /// How to come to the next page.
    pub paginate: Paginate,
    /// The records in an answer.
    pub records: Expression,
    /// A record's key.
    pub key: Expression,
    /// A record's version.
    pub version: Option<Expression>,
    /// How far the source has been read.
    pub cursor: Option<Cursor>,
    /// Whether the source deleted the record.
    pub deleted: Option<Expression>,
    /// The time from the start of one scheduled run to the next.
    pub every: Option<Duration>,
    /// Where the source delivers changes by itself.
    pub webhook: Option<Webhook>,
    /// What its answers mean, before what the system's rules say.
    pub answers: Vec<AnswerRule>,
}

/// How to come to the next page.
#[derive(Debug)]
pub enum Paginate {
    /// There is one page.
    None,
    /// The answer holds the next page's URL.
    Next(Expression),
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
pub struct Cursor {
    /// The value in a record.
    pub value: Expression,
    /// Where the first run begins.
    pub start: String,
    /// How far each run reaches back behind the cursor.
    pub overlap: Option<Duration>,
}

/// What becomes of the records on the way.
#[derive(Debug)]
pub struct Transform {
    /// What the source must send.
    pub expect: Option<Schema>,
    /// The mapping.
    pub map: Option<Expression>,
    /// What the destination gets.
    pub produce: Option<Schema>,
}

/// Where the records go.
#[derive(Debug)]
pub struct Load {
    /// The system's name.
    pub system: String,
    /// How a record is made there.
    pub create: Create,
    /// How a record is changed there.
    pub update: Request,
    /// How a record is deleted there.
    pub delete: Option<Request>,
    /// How to find out whether the destination has a record.
    pub lookup: Option<Lookup>,
    /// How often a record is tried before it becomes a dead letter.
    pub attempts: u32,
    /// What its answers mean, before what the system's rules say.
    pub answers: Vec<AnswerRule>,
}

/// How a record is made at the destination.
#[derive(Debug)]
pub struct Create {
    /// The request.
    pub request: Request,
    /// The destination's id in the answer.
    pub id: Expression,
    /// A header that makes the destination ignore a repeated create.
    pub idempotency_header: Option<http::HeaderName>,
}

/// How to find out whether the destination has a record.
#[derive(Debug)]
pub struct Lookup {
    /// The request.
    pub request: Request,
    /// The destination's id in the answer; null where it has no such record.
    pub id: Expression,
}
