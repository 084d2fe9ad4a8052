//! The ground that the behaviours stand on: a source and a shop that a test controls, and a project
//! between them on the embedded backends.

mod flow;
mod full_dead_letter_queue;
mod http_request;
mod refusing_broker;
mod running_services;
mod shop;
mod source_rows;
mod world;

use std::time::Duration;

use pomost_extractor::webhook::ReceiverLimits;
use pomost_models::{Outcome, RunId, RunTrigger};
use pomost_store::{RunState, RunSummary, Store};
use pomost_tests::eventually;
use serde_json::{Value, json};

pub(crate) use flow::{Flow, LOOKUP};
pub(crate) use full_dead_letter_queue::FullDeadLetterQueue;
pub(crate) use http_request::{send_request, try_to_send};
pub(crate) use pomost_testkit::{FakeServer, ReceivedRequest, Reply};
pub(crate) use pomost_tests::{CommandOutput, examples, pomost};
pub(crate) use refusing_broker::RefusingBroker;
pub(crate) use running_services::{CLAIM, RunningServices};
pub(crate) use shop::Shop;
pub(crate) use source_rows::Rows;
pub(crate) use world::World;

/// The outcomes of a settled run with the number of records of each.
pub(crate) fn outcomes(summary: &RunSummary) -> Vec<(&'static str, u64)> {
    assert_eq!(summary.state, RunState::Settled, "{:?}", summary.error);
    summary
        .counts
        .outcomes
        .iter()
        .map(|(outcome, count)| (Outcome::as_str(*outcome), *count))
        .collect()
}

/// The error of a failed run.
pub(crate) fn failure(summary: RunSummary) -> String {
    assert_eq!(summary.state, RunState::Failed, "{:?}", summary.counts);
    summary.error.unwrap()
}

/// The run that `dead replay` printed as the one that its letters went to.
pub(crate) fn replayed_in(printed: &CommandOutput) -> RunId {
    assert_eq!(printed.code, 0, "{printed:?}");
    printed
        .out
        .split_whitespace()
        .next_back()
        .unwrap()
        .parse()
        .unwrap()
}

/// Waits until all runs of deliveries to a flow have settled; returns the sum of their outcomes.
pub(crate) async fn outcomes_of_deliveries(
    store: &dyn Store,
    flow: &str,
) -> Vec<(&'static str, u64)> {
    eventually(async || {
        let runs = store.runs(Some(flow), 100).await.unwrap();
        let runs: Vec<_> = runs
            .into_iter()
            .filter(|run| run.trigger == RunTrigger::Webhook)
            .collect();
        if let Some(run) = runs.iter().find(|run| run.state != RunState::Settled) {
            return Err(format!("{} with {:?}", run.state.as_str(), run.counts));
        }
        let of = |outcome| {
            (
                outcome,
                runs.iter()
                    .map(|run| run.counts.count(outcome))
                    .sum::<u64>(),
            )
        };
        let outcomes: Vec<(Outcome, u64)> = Outcome::ALL.into_iter().map(of).collect();
        let records: u64 = runs.iter().map(|run| run.counts.records).sum();
        assert_eq!(
            records,
            outcomes.iter().map(|(_, count)| count).sum::<u64>()
        );
        Ok(outcomes)
    })
    .await
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(outcome, count)| (outcome.as_str(), count))
    .collect()
}

/// Waits until a server has got so many requests.
pub(crate) async fn wait_for_requests(server: &FakeServer, requests: usize) {
    eventually(async || match server.requests().len() {
        got if got >= requests => Ok(()),
        got => Err(format!("{got} of {requests} requests")),
    })
    .await;
}

/// Waits until a server has got so many requests with a method.
pub(crate) async fn wait_for_method(server: &FakeServer, method: &str, requests: usize) {
    eventually(async || match server.count_method(method) {
        got if got >= requests => Ok(()),
        got => Err(format!("{got} of {requests} requests with {method}")),
    })
    .await;
}

/// Waits until the shop has so many things.
pub(crate) async fn wait_for_things(shop: &Shop, things: usize) {
    eventually(async || match shop.things().len() {
        has if has >= things => Ok(()),
        has => Err(format!("{has} of {things} things")),
    })
    .await;
}

/// Limits of a receiver of webhooks that no pause of the machine exceeds.
pub(crate) fn unhurried_limits() -> ReceiverLimits {
    let minute = Duration::from_secs(60);
    ReceiverLimits {
        head_timeout: minute,
        body_timeout: minute,
        intake_timeout: minute,
        ..ReceiverLimits::default()
    }
}

/// A row of a source.
pub(crate) fn row(key: u32) -> Value {
    json!({ "key": key.to_string(), "at": format!("2026-01-{key:02}") })
}
