//! A flow, with its expressions and schemas compiled.

use pomost_expression::Expression;

use crate::schema::RecordSchema;
pub use crate::{
    destination::*, extract::*, files::FileDestination, request::RequestTemplate,
    table::TableDestination,
};

/// One kind of record going from one system to another.
#[derive(Debug)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// The version of its files: a hash of the texts of its own, of its systems' and of its schemas'. Values
    /// from the environment are no part of it, so that no secret is.
    pub version: String,
    /// Where the records come from.
    pub extract: ExtractRules,
    /// What becomes of them on the way.
    pub transform: TransformRules,
    /// Where they go.
    pub load: LoadRules,
    /// The paths of fields with personal data.
    pub sensitive: Vec<Expression>,
    /// How many records one message carries at most.
    pub batch_size: usize,
}

/// What becomes of the records on the way.
#[derive(Debug)]
pub struct TransformRules {
    /// What the source must send.
    pub expect: Option<RecordSchema>,
    /// The mapping.
    pub map: Option<Expression>,
    /// What the destination gets.
    pub produce: Option<RecordSchema>,
}
