//! Flows with compiled expressions and schemas.

use std::borrow::Cow;

use pomost_expression::Expression;

use crate::schema::RecordSchema;
pub use crate::{
    destination::*, extract::*, files::FileDestination, request::RequestTemplate,
    table::TableDestination,
};

/// A flow: it moves one kind of record from one system to another.
#[derive(Debug)]
pub struct Flow {
    pub name: String,
    /// The version of the flow's files: a hash of its own text, its systems' texts and its schemas'
    /// texts. Values from the environment are left out, so that it depends on no secret.
    pub version: String,
    pub extract: ExtractRules,
    pub transform: TransformRules,
    pub load: LoadRules,
    /// The paths of fields with personal data.
    pub sensitive: Vec<Expression>,
    /// The highest number of records in one message.
    pub batch_size: usize,
}

impl Flow {
    /// The name of the flow's destination in outages: its system's, or `FLOW (table)` or
    /// `FLOW (files)`, which no system has.
    pub fn destination_name(&self) -> Cow<'_, str> {
        match &self.load.target {
            LoadTarget::System(system) => Cow::Borrowed(system.system.as_str()),
            LoadTarget::Table(_) => Cow::Owned(format!("{} (table)", self.name)),
            LoadTarget::Files(_) => Cow::Owned(format!("{} (files)", self.name)),
        }
    }
}

/// The mapping of a flow's records, and the schemas before and after it.
#[derive(Debug)]
pub struct TransformRules {
    /// The schema of the source's records.
    pub expect: Option<RecordSchema>,
    pub map: Option<Expression>,
    /// The schema of the mapped records.
    pub produce: Option<RecordSchema>,
}
