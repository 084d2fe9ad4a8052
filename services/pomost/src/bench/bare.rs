//! The bare loop: the same bodies, posted by the same client, without queues and without a ledger.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt, stream};
use pomost_expression::{Value, Variables, given};
use pomost_extractor::{paging::PagePosition, source::Source};
use pomost_http::{OutgoingRequest, SystemClient, SystemClients};
use pomost_models::{Operation, Record, RunId, Version};
use pomost_project::{Flow, Project, flow::LoadTarget};

/// Reads every record of a flow and maps it in this process, which gives the bodies that the
/// pipeline posts.
pub async fn bodies(
    project: &Project,
    clients: &SystemClients,
    flow: &str,
) -> anyhow::Result<Vec<Record>> {
    let flow = project
        .flows
        .get(flow)
        .context("the flow is missing")?
        .clone();
    let client = clients
        .of(&flow.extract.system)
        .context("the source is missing")?
        .clone();
    let source = Source {
        client,
        flow: flow.clone(),
    };
    let start = flow
        .extract
        .cursor
        .as_ref()
        .and_then(|cursor| cursor.start.as_deref());
    let start = start.map_or(Value::Null, |start| given(start, false));
    let variables = Variables {
        cursor: start,
        ..Variables::default()
    };
    let listing = flow
        .extract
        .listing
        .as_ref()
        .context("the flow reads nothing")?;
    let (run, mut records) = (RunId::generate(), Vec::new());
    let mut position = Some(PagePosition::first(&listing.paginate));
    while let Some(here) = position {
        let mut page = source.open_page(listing, &here, &variables).await?;
        for row in page.all_rows().await? {
            records.extend(mapped(&flow, run, row, &variables));
        }
        position = page.next_position()?;
    }
    Ok(records)
}

/// The records that a row is mapped to: none where the row is no record, or is refused.
fn mapped(flow: &Flow, run: RunId, row: Value, variables: &Variables) -> Vec<Record> {
    let read = pomost_rows::read_row(flow, row, Version::new(""), variables);
    match read {
        Ok(row) if row.record.op == Operation::Upsert => {
            pomost_transformer::map::transform(flow, run, row.record).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Posts the bodies to the flow's destination, as many at a time as the system allows. Returns the
/// time that it took.
pub async fn post(
    project: &Project,
    clients: &SystemClients,
    flow: &str,
    records: Vec<Record>,
) -> anyhow::Result<Duration> {
    let flow = project.flows.get(flow).context("the flow is missing")?;
    let LoadTarget::System(requests) = &flow.load.target else {
        bail!("the flow writes to no system")
    };
    let client = Arc::new(
        clients
            .of(&requests.system)
            .context("the destination is missing")?
            .clone(),
    );
    let create = requests
        .create
        .as_ref()
        .context("the flow creates nothing")?;
    let create = client.prepare(&create.request, &[], &Value::Null, &Variables::default())?;
    let started = Instant::now();
    let post = |record: Record| {
        let body = record.data.get().as_bytes().to_vec().into();
        let (client, call): (Arc<SystemClient>, _) = (
            client.clone(),
            OutgoingRequest {
                body: Some(body),
                ..create.clone()
            },
        );
        async move { client.send(call).await }
    };
    let mut posting = stream::iter(records)
        .map(post)
        .buffer_unordered(client.concurrency());
    while let Some(posted) = posting.next().await {
        posted?;
    }
    Ok(started.elapsed())
}
