//! Where a flow's records go.

use std::sync::Arc;

use pomost_http::Client;
use pomost_models::{Batch, Record};
use pomost_project::{Flow, flow::Requests};
use pomost_store::{Answer, ledger::ContentHash};

use crate::{
    act::{Act, End},
    decide::{Case, Doubt, Means, Repeats},
};

/// Where a flow's records go.
#[derive(Clone)]
pub struct Destination {
    /// The system's client.
    pub client: Client,
    /// The flow.
    pub flow: Arc<Flow>,
    /// How the flow writes there.
    pub requests: Arc<Requests>,
}

impl Destination {
    /// Acts on a record of this content, as the ledger's answer allows.
    pub async fn act(&self, batch: &Batch, record: &Record, hash: &ContentHash, answer: &Answer) -> End {
        let known = answer.known().cloned().unwrap_or_default();
        let case = Case {
            key: &record.key,
            op: record.op,
            doubt: Doubt::of(answer, hash),
            was_there: known.id.is_some(),
            means: self.means(),
        };
        Act::new(self, batch, record, hash, case, known).carry_out(case.first(answer)).await
    }

    /// What the flow does to records, and what it has for finding out what is there.
    pub fn means(&self) -> Means {
        let load = &self.requests;
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

fn repeats(load: &Requests) -> Repeats {
    let ignored = load.create.as_ref().is_some_and(|create| create.idempotency_header.is_some());
    match (load.creates_may_repeat(), ignored) {
        (true, _) => Repeats::Always,
        (false, true) => Repeats::SameContent,
        (false, false) => Repeats::Never,
    }
}
