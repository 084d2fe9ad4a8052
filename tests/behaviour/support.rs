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

use pomost_models::{Outcome, RunId};
use pomost_store::{RunState, RunSummary};
use serde_json::{Value, json};

pub(crate) use ask::ask;
pub(crate) use flow::{Flow, LOOKUP};
pub(crate) use jam::Jammed;
pub(crate) use refusing::Refusing;
pub(crate) use running::Running;
pub(crate) use server::{Reply, Rows, Seen, Server};
pub(crate) use shop::Shop;
pub(crate) use world::{Printed, World, pomost};

/// The outcomes of a settled run, by their words.
pub(crate) fn outcomes(summary: &RunSummary) -> Vec<(&'static str, u64)> {
    assert_eq!(summary.state, RunState::Settled, "{:?}", summary.error);
    summary.counts.outcomes.iter().map(|(outcome, count)| (Outcome::as_str(*outcome), *count)).collect()
}

/// Why a run failed.
pub(crate) fn failure(summary: RunSummary) -> String {
    assert_eq!(summary.state, RunState::Failed, "{:?}", summary.counts);
    summary.error.unwrap()
}

/// The run that `dead replay` says it sent letters to.
pub(crate) fn replayed_in(printed: &Printed) -> RunId {
    assert_eq!(printed.code, 0, "{printed:?}");
    printed.out.split_whitespace().next_back().unwrap().parse().unwrap()
}

/// A row of a source.
pub(crate) fn row(key: u32) -> Value {
    json!({ "key": key.to_string(), "at": format!("2026-01-{key:02}") })
}
