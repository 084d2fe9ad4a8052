//! A flow, with its expressions and schemas compiled.

use pomost_expression::Expression;

pub use crate::{extract::*, request::Request};
use crate::{request::AnswerRule, schema::Schema};

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
