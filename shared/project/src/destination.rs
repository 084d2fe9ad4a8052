//! The section `load` of a flow, compiled.

use std::sync::Arc;

use http::{HeaderName, Method};
use pomost_expression::Expression;
pub use pomost_models::load::{ChangeOrder, IfMatch};

use crate::{
    files::FileDestination,
    request::{AnswerMeaning, AnswerRule, RequestTemplate},
    table::TableDestination,
};

/// The destination of a flow, and rules for writing to it.
#[derive(Debug)]
pub struct LoadRules {
    pub target: LoadTarget,
    /// The changes of one key that are applied.
    pub order: ChangeOrder,
    /// The number of attempts before a record becomes a dead letter.
    pub attempts: u32,
}

/// The destination of a flow's records.
#[derive(Debug)]
pub enum LoadTarget {
    /// A system that is written by requests.
    System(Arc<SystemDestination>),
    Table(Arc<TableDestination>),
    Files(Arc<FileDestination>),
}

impl LoadRules {
    /// True where the flow deletes records.
    pub fn deletes(&self) -> bool {
        match &self.target {
            LoadTarget::System(requests) => requests.delete.is_some(),
            LoadTarget::Table(_) => true,
            LoadTarget::Files(_) => false,
        }
    }

    /// True where it can be found out if a create took place whose answer never came. Tables and
    /// files are written by key, so they are simply written again.
    pub fn can_resolve_doubt(&self) -> bool {
        match &self.target {
            LoadTarget::System(requests) => requests.can_resolve_doubt(),
            LoadTarget::Table(_) | LoadTarget::Files(_) => true,
        }
    }
}

/// A system as the destination of a flow: the requests that write records.
#[derive(Debug, Default)]
pub struct SystemDestination {
    /// The system's name.
    pub system: String,
    pub create: Option<CreateRequest>,
    pub update: Option<UpdateRequest>,
    pub delete: Option<UpdateRequest>,
    pub lookup: Option<LookupRequest>,
    pub batch: Option<BatchRequests>,
    /// Rules about answers. They go before the system's rules.
    pub answers: Vec<AnswerRule>,
}

impl SystemDestination {
    /// True where the destination's id of a record is its key.
    pub fn id_is_key(&self) -> bool {
        match &self.create {
            Some(create) => create.id.is_none(),
            None => self.lookup.is_none(),
        }
    }

    /// The bulk settings of a request. None for a request that is sent for each record.
    pub fn batch_for(&self, request: &RequestTemplate) -> Option<&BatchRequests> {
        self.batch.as_ref().filter(|_| !request.names_record())
    }

    /// True where a create may be sent again and still makes one record only. So it is with PUT
    /// (RFC 9110 §9.2.2), where the key is in the path.
    pub fn creates_may_repeat(&self) -> bool {
        self.id_is_key()
            && self
                .create
                .as_ref()
                .is_some_and(|create| create.request.method == Method::PUT)
    }

    /// True where it can be found out if a create took place whose answer never came.
    pub fn can_resolve_doubt(&self) -> bool {
        let ignored = |create: &CreateRequest| create.idempotency_header.is_some();
        self.lookup.is_some()
            || self.create.as_ref().is_none_or(ignored)
            || self.creates_may_repeat()
            || (self.id_is_key() && self.update.is_some())
    }
}

/// The request that creates a record.
#[derive(Debug)]
pub struct CreateRequest {
    pub request: RequestTemplate,
    /// The destination's id in the answer. None where the id is the record's key.
    pub id: Option<Expression>,
    /// A header that makes the destination ignore a repeated create.
    pub idempotency_header: Option<HeaderName>,
}

/// A request that changes or deletes a record.
#[derive(Debug)]
pub struct UpdateRequest {
    pub request: RequestTemplate,
    /// The reaction when somebody else changed the record. None where this is not checked.
    pub if_match: Option<IfMatch>,
}

/// The settings of bulk requests.
#[derive(Debug)]
pub struct BatchRequests {
    /// The highest number of records in one request.
    pub size: usize,
    /// The verdicts in an answer. If none, an answer that is not a failure accepts every record.
    pub results: Option<Expression>,
    /// The key of a verdict's record. If none, the verdicts have the order of the records.
    pub key: Option<Expression>,
    /// The error in a verdict.
    pub rejected: Option<Expression>,
    /// Rules about verdicts. They go before `rejected`, and the first rule that applies decides.
    pub verdicts: Vec<VerdictRule>,
}

/// A rule that says what some verdicts mean.
#[derive(Debug)]
pub struct VerdictRule {
    pub when: Expression,
    pub means: AnswerMeaning,
}

/// The request that finds a record at the destination.
#[derive(Debug)]
pub struct LookupRequest {
    pub request: RequestTemplate,
    /// The destination's id in the answer. Null where the destination has no such record.
    pub id: Expression,
    /// True where the request is also sent before each first create.
    pub before_create: bool,
}
