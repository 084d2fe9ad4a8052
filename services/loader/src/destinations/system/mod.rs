//! A system as the destination: requests for one record or for many.

mod bulk;
mod idempotency_key;
mod record;
mod requests;
mod verdicts;

use std::{sync::Arc, time::Duration};

use pomost_expression::{Expression, Value, Variables, scalar_name};
use pomost_http::{CircuitBreaker, Failure, FailureClass, SystemClient};
use pomost_models::Lane;
use pomost_project::{
    Flow,
    flow::{RequestTemplate, SystemDestination, UpdateRequest},
};

use super::{DestinationWriter, PlannedWrite, RecordAction, WriteItem};
use crate::decide::{Capabilities, CreateIdempotency};
use bulk::PlannedBulkRequest;
use record::PlannedRequest;

/// Makes the requests of a flow to its system.
#[derive(Clone)]
pub(super) struct SystemWriter {
    flow: Arc<Flow>,
    requests: Arc<SystemDestination>,
    client: SystemClient,
}

impl DestinationWriter for SystemWriter {
    fn plan<'a>(
        &'a self,
        action: RecordAction,
        items: &'a [WriteItem<'a>],
    ) -> Result<Box<dyn PlannedWrite + 'a>, Failure> {
        match (items, self.bulk_size(action)) {
            ([item], None) => Ok(Box::new(PlannedRequest::new(self, action, item)?)),
            _ => Ok(Box::new(PlannedBulkRequest::new(self, action, items)?)),
        }
    }

    fn bulk_size(&self, action: RecordAction) -> Option<usize> {
        let template = self
            .template(action)
            .filter(|_| action != RecordAction::LookUp)?;
        self.requests.batch_for(template).map(|batch| batch.size)
    }

    fn concurrency(&self) -> usize {
        self.client.concurrency()
    }

    fn breaker(&self) -> Option<&CircuitBreaker> {
        Some(self.client.breaker())
    }

    /// As long again as the answer was waited for.
    fn in_doubt_for(&self) -> Duration {
        self.client.timeout()
    }

    fn changes_conditionally(&self) -> bool {
        self.changes().all(|change| change.if_match.is_some())
    }

    fn keeps_etags(&self) -> bool {
        self.changes().any(|change| change.if_match.is_some())
    }

    fn in_lane(&self, lane: Lane) -> Option<Arc<dyn DestinationWriter>> {
        Some(Arc::new(SystemWriter {
            client: self.client.in_lane(lane),
            ..self.clone()
        }))
    }
}

impl SystemWriter {
    pub(super) fn new(
        flow: Arc<Flow>,
        requests: Arc<SystemDestination>,
        client: SystemClient,
    ) -> SystemWriter {
        SystemWriter {
            flow,
            requests,
            client,
        }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let requests = &self.requests;
        Capabilities {
            creates: requests.create.is_some(),
            updates: requests.update.is_some(),
            deletes: requests.delete.is_some(),
            looks_up: requests.lookup.is_some(),
            looks_up_first: requests
                .lookup
                .as_ref()
                .is_some_and(|lookup| lookup.before_create),
            id_is_key: requests.id_is_key(),
            create_idempotency: create_idempotency(requests),
        }
    }

    fn template(&self, action: RecordAction) -> Option<&RequestTemplate> {
        let requests = &self.requests;
        match action {
            RecordAction::LookUp => requests.lookup.as_ref().map(|lookup| &lookup.request),
            RecordAction::Create => requests.create.as_ref().map(|create| &create.request),
            RecordAction::Update | RecordAction::Delete => {
                self.change(action).map(|change| &change.request)
            }
        }
    }

    fn change(&self, action: RecordAction) -> Option<&UpdateRequest> {
        match action {
            RecordAction::Update => self.requests.update.as_ref(),
            RecordAction::Delete => self.requests.delete.as_ref(),
            RecordAction::LookUp | RecordAction::Create => None,
        }
    }

    fn changes(&self) -> impl Iterator<Item = &UpdateRequest> {
        let changes = [&self.requests.update, &self.requests.delete];
        changes.into_iter().flatten()
    }

    /// The expression that finds the record's id in an answer.
    fn id_expression(&self, action: RecordAction) -> Option<&Expression> {
        match action {
            RecordAction::LookUp => self.requests.lookup.as_ref().map(|lookup| &lookup.id),
            RecordAction::Create => self.requests.create.as_ref()?.id.as_ref(),
            RecordAction::Update | RecordAction::Delete => None,
        }
    }
}

fn create_idempotency(requests: &SystemDestination) -> CreateIdempotency {
    let has_header = requests
        .create
        .as_ref()
        .is_some_and(|create| create.idempotency_header.is_some());
    match (requests.creates_may_repeat(), has_header) {
        (true, _) => CreateIdempotency::AnyContent,
        (false, true) => CreateIdempotency::SameContent,
        (false, false) => CreateIdempotency::Never,
    }
}

/// The decision asks only for what the flow does, so that every action has its request.
fn no_request() -> Failure {
    let message = "the flow has no request for this".to_owned();
    Failure::new(FailureClass::Invalid, message)
}

/// Reads the id that an expression finds in an answer; none where it finds null.
fn read_id(
    expression: &Expression,
    answer: Value,
    variables: &Variables,
) -> Result<Option<String>, Failure> {
    let invalid = |message: String| Failure::new(FailureClass::Invalid, message);
    let id = expression
        .one(answer, variables)
        .map_err(|error| invalid(format!("reading the id from the answer: {}", error.message)))?;
    match (&id, scalar_name(&id)) {
        (Value::Null, _) => Ok(None),
        (_, Some(id)) if !id.is_empty() => Ok(Some(id)),
        _ => Err(invalid(
            "the id in the answer is neither text nor a number".into(),
        )),
    }
}
