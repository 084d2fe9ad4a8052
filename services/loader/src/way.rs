//! How the records of a flow are written.

use std::sync::Arc;

use anyhow::Context as _;
use pomost_http::Clients;
use pomost_project::{Flow, flow::To};

use crate::{
    decide::{Means, Repeats},
    destination::Destination,
    files,
    handler::Way,
    many::Together,
    table,
};

/// The way of a flow. It connects to nothing yet.
pub fn of(flow: &Arc<Flow>, clients: &Clients) -> anyhow::Result<Way> {
    Ok(match &flow.load.to {
        To::System(requests) => {
            let client = clients.of(&requests.system).context("a flow's system has no client")?.clone();
            Way::OneByOne(Destination { client, flow: flow.clone(), requests: requests.clone() })
        }
        To::Table(table) => {
            let writer =
                table::Writer::new(table.clone()).with_context(|| format!("the flow '{}'", flow.name))?;
            Way::Together(Together { many: Box::new(writer), means: by_key(flow) })
        }
        To::Files(files) => {
            let writer = files::Writer::new(files.clone());
            Way::Together(Together { many: Box::new(writer), means: by_key(flow) })
        }
    })
}

/// What is written by its key may be written as often as one likes.
fn by_key(flow: &Flow) -> Means {
    Means {
        creates: true,
        updates: true,
        deletes: flow.load.deletes(),
        lookup: false,
        looks_first: false,
        id_is_key: true,
        repeats: Repeats::Always,
    }
}
