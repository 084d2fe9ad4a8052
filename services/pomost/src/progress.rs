//! Following a run until it has ended.

use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use pomost_models::{Outcome, RunId};
use pomost_store::{RunState, RunSummary, Store};

/// How often a run is looked at.
const TURN: Duration = Duration::from_millis(100);

/// Shows a bar of a run's records until all have settled, or the run has failed.
pub async fn follow(store: &dyn Store, run: RunId, label: &str) -> anyhow::Result<RunSummary> {
    let bar = ProgressBar::new(0).with_style(style()?).with_prefix(label.to_owned());
    loop {
        let summary = store.run(run).await?.context("the run is not in the store any more")?;
        show(&bar, &summary);
        if has_ended(&summary) {
            bar.finish_and_clear();
            return Ok(summary);
        }
        tokio::time::sleep(TURN).await;
    }
}

/// Says something beside a command's data.
#[expect(clippy::print_stderr, reason = "a remark beside a command's data")]
pub fn remark(text: String) {
    eprintln!("{text}");
}

/// Whether a run has failed, or all its records have settled but for those that wait until somebody replays
/// or discards a dead letter.
pub fn has_ended(summary: &RunSummary) -> bool {
    match summary.state {
        RunState::Settled | RunState::Failed => true,
        RunState::Settling => summary.counts.waiting <= summary.blocked,
        RunState::Requested | RunState::Extracting => false,
    }
}

/// What became of a run's records, in words: `990 created, 10 dead, 3 waiting (2 for dead letters)`.
pub fn in_words(summary: &RunSummary) -> String {
    let counts = &summary.counts;
    let some = Outcome::ALL.into_iter().filter(|&outcome| counts.of(outcome) > 0);
    let mut words: Vec<String> =
        some.map(|outcome| format!("{} {}", counts.of(outcome), outcome.as_str())).collect();
    if counts.waiting > 0 {
        let blocked = match summary.blocked {
            0 => String::new(),
            blocked => format!(" ({blocked} for dead letters)"),
        };
        words.push(format!("{} waiting{blocked}", counts.waiting));
    }
    if words.is_empty() { "no records".into() } else { words.join(", ") }
}

fn show(bar: &ProgressBar, summary: &RunSummary) {
    bar.set_length(summary.counts.records);
    bar.set_position(summary.counts.records - summary.counts.waiting);
    bar.set_message(in_words(summary));
}

fn style() -> anyhow::Result<ProgressStyle> {
    Ok(ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {per_sec} {msg}")?)
}
