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

/// Where the records go.
#[derive(Debug)]
pub struct LoadRules {
    /// To what.
    pub target: LoadTarget,
    /// Which changes of one key are applied.
    pub order: ChangeOrder,
    /// How often a record is tried before it becomes a dead letter.
    pub attempts: u32,
}

/// What the records go to.
#[derive(Debug)]
pub enum LoadTarget {
    /// A system, by requests.
    System(Arc<SystemDestination>),
    /// A table.
    Table(Arc<TableDestination>),
    /// Files.
    Files(Arc<FileDestination>),
}

impl LoadRules {
    /// Whether records are deleted.
    pub fn deletes(&self) -> bool {
        match &self.target {
            LoadTarget::System(requests) => requests.delete.is_some(),
            LoadTarget::Table(_) => true,
            LoadTarget::Files(_) => false,
        }
    }

    /// Whether it can be found out if a create took place whose answer never came. What is written by
    /// key is simply written again.
    pub fn can_resolve_doubt(&self) -> bool {
        match &self.target {
            LoadTarget::System(requests) => requests.can_resolve_doubt(),
            LoadTarget::Table(_) | LoadTarget::Files(_) => true,
        }
    }
}

/// How the records of a system are written.
#[derive(Debug, Default)]
pub struct SystemDestination {
    /// The system's name.
    pub system: String,
    /// How a record is made there.
    pub create: Option<CreateRequest>,
    /// How a record is changed there.
    pub update: Option<UpdateRequest>,
    /// How a record is deleted there.
    pub delete: Option<UpdateRequest>,
    /// How to find a record there.
    pub lookup: Option<LookupRequest>,
    /// How many records are sent with one request.
    pub batch: Option<BatchRequests>,
    /// What its answers mean, before what the system's rules say.
    pub answers: Vec<AnswerRule>,
}

impl SystemDestination {
    /// Whether a record's id there is its key.
    pub fn id_is_key(&self) -> bool {
        match &self.create {
            Some(create) => create.id.is_none(),
            None => self.lookup.is_none(),
        }
    }

    /// How one of its requests is made for many records; none where it is made for each by itself.
    pub fn batch_for(&self, request: &RequestTemplate) -> Option<&BatchRequests> {
        self.batch.as_ref().filter(|_| !request.names_record())
    }

    /// Whether a create may be made again and again: whatever it sends, it is for one record. PUT is
    /// (RFC 9110 §9.2.2), where the record's key tells which.
    pub fn creates_may_repeat(&self) -> bool {
        self.id_is_key()
            && self
                .create
                .as_ref()
                .is_some_and(|create| create.request.method == Method::PUT)
    }

    /// Whether it can be found out if a create took place whose answer never came.
    pub fn can_resolve_doubt(&self) -> bool {
        let ignored = |create: &CreateRequest| create.idempotency_header.is_some();
        self.lookup.is_some()
            || self.create.as_ref().is_none_or(ignored)
            || self.creates_may_repeat()
            || (self.id_is_key() && self.update.is_some())
    }
}

/// How a record is made at the destination.
#[derive(Debug)]
pub struct CreateRequest {
    /// The request.
    pub request: RequestTemplate,
    /// The destination's id in the answer; left out where it is the record's key.
    pub id: Option<Expression>,
    /// A header that makes the destination ignore a repeated create.
    pub idempotency_header: Option<HeaderName>,
}

/// How a record is changed or deleted at the destination.
#[derive(Debug)]
pub struct UpdateRequest {
    /// The request.
    pub request: RequestTemplate,
    /// What is done where somebody else changed it; left out, nobody looks.
    pub if_match: Option<IfMatch>,
}

/// How many records are sent with one request, and how their verdicts are read.
#[derive(Debug)]
pub struct BatchRequests {
    /// The most records in one request.
    pub size: usize,
    /// The verdicts in an answer; left out, an answer that is no failure accepts every record.
    pub results: Option<Expression>,
    /// The key of the record that a verdict is about; left out, they come in the records' order.
    pub key: Option<Expression>,
    /// What is wrong with the record of a verdict.
    pub rejected: Option<Expression>,
    /// What verdicts mean; the first that is about one decides, before `rejected`.
    pub verdicts: Vec<VerdictRule>,
}

/// What some verdicts mean.
#[derive(Debug)]
pub struct VerdictRule {
    /// The test that a verdict has to pass.
    pub when: Expression,
    /// What it means then.
    pub means: AnswerMeaning,
}

/// How to find a record at the destination.
#[derive(Debug)]
pub struct LookupRequest {
    /// The request.
    pub request: RequestTemplate,
    /// The destination's id in the answer; null where it has no such record.
    pub id: Expression,
    /// Whether it is asked before each first create as well.
    pub before_create: bool,
}
