//! A flow, with its expressions and schemas compiled.

use pomost_expression::Expression;

use crate::schema::Schema;
pub use crate::{destination::*, extract::*, files::Files, request::Request, table::Table};

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
