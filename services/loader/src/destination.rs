//! Where a flow's records go.

use std::sync::Arc;

use pomost_http::Client;
use pomost_models::{Batch, Record};
use pomost_project::{Flow, flow::Load};
use pomost_store::{Answer, ledger::ContentHash};

use crate::{
    act::Act,
    batch_requests::BatchRequests,
    decide::{Case, Doubt, Means, Repeats, Step},
    many::{Kind, Many},
};

/// Where a flow's records go.
pub struct Destination {
    /// The system's client.
    pub client: Client,
    /// The flow.
    pub flow: Arc<Flow>,
    /// What takes many records at once.
    pub(crate) many: Box<dyn Many>,
}

impl Destination {
    /// Where a flow's records go that a system takes.
    pub fn new(client: Client, flow: Arc<Flow>) -> Destination {
        let many = Box::new(BatchRequests { client: client.clone(), flow: flow.clone() });
        Destination { client, flow, many }
    }

    /// A record of this content at work, and the first step, as the ledger's answer allows.
    pub fn begin<'a>(
        &'a self,
        batch: &'a Batch,
        record: &'a Record,
        hash: &'a ContentHash,
        answer: &Answer,
    ) -> (Box<Act<'a>>, Step) {
        let known = answer.known().cloned().unwrap_or_default();
        let case = Case {
            key: &record.key,
            op: record.op,
            doubt: Doubt::of(answer, hash),
            was_there: known.id.is_some(),
            means: self.means(),
        };
        (Box::new(Act::new(self, batch, record, hash, case, known)), case.first(answer))
    }

    /// Whether a step is taken for many records together.
    pub(crate) fn takes_together(&self, step: &Step) -> bool {
        Kind::of(step).is_some_and(|kind| self.many.takes(kind).is_some())
    }

    /// What the flow does to records, and what it has for finding out what is there.
    pub fn means(&self) -> Means {
        let load = &self.flow.load;
        Means {
            creates: load.create.is_some(),
            updates: load.update.is_some(),
            deletes: load.delete.is_some(),
            lookup: load.lookup.is_some(),
            looks_first: load.lookup.as_ref().is_some_and(|lookup| lookup.before_create),
            id_is_key: load.id_is_key(),
            repeats: repeats(load),
        }
    }
}

fn repeats(load: &Load) -> Repeats {
    let ignored = load.create.as_ref().is_some_and(|create| create.idempotency_header.is_some());
    match (load.creates_may_repeat(), ignored) {
        (true, _) => Repeats::Always,
        (false, true) => Repeats::SameContent,
        (false, false) => Repeats::Never,
    }
}
