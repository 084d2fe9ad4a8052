//! What the behaviours stand on: a source and a shop that do as a test says, and a project between
//! them on the embedded backends.

mod ask;
mod flow;
mod jam;
mod refusing;
mod running;
mod server;
mod shop;
mod world;

use pomost_models::{Outcome, RunId, RunTrigger};
use pomost_store::{RunState, RunSummary, Store};
use pomost_tests::eventually;
use serde_json::{Value, json};

pub(crate) use ask::ask;
pub(crate) use flow::{Flow, LOOKUP};
pub(crate) use jam::Jammed;
pub(crate) use pomost_tests::{Printed, examples, pomost};
pub(crate) use refusing::Refusing;
pub(crate) use running::Running;
pub(crate) use server::{Reply, Rows, Seen, Server};
pub(crate) use shop::Shop;
pub(crate) use world::World;

/// The outcomes of a settled run, by their words.
pub(crate) fn outcomes(summary: &RunSummary) -> Vec<(&'static str, u64)> {
    assert_eq!(summary.state, RunState::Settled, "{:?}", summary.error);
    summary
        .counts
        .outcomes
        .iter()
        .map(|(outcome, count)| (Outcome::as_str(*outcome), *count))
        .collect()
}

/// Why a run failed.
pub(crate) fn failure(summary: RunSummary) -> String {
    assert_eq!(summary.state, RunState::Failed, "{:?}", summary.counts);
    summary.error.unwrap()
}

/// The run that `dead replay` says it sent letters to.
pub(crate) fn replayed_in(printed: &Printed) -> RunId {
    assert_eq!(printed.code, 0, "{printed:?}");
    printed
        .out
        .split_whitespace()
        .next_back()
        .unwrap()
        .parse()
        .unwrap()
}

/// The outcomes of all that was delivered to a flow, once it has settled; none is missing from the
/// counts.
pub(crate) async fn delivered(store: &dyn Store, flow: &str) -> Vec<(&'static str, u64)> {
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

/// A row of a source.
pub(crate) fn row(key: u32) -> Value {
    json!({ "key": key.to_string(), "at": format!("2026-01-{key:02}") })
}
