//! Following a run until it has ended.

use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use pomost_models::{Outcome, RunId};
use pomost_project::Project;
use pomost_store::{Outage, RunState, RunSummary, Store};
use tokio::time::Instant;

use crate::waits;

/// How often a run is looked at.
const TURN: Duration = Duration::from_millis(100);

/// How often it is looked up whether it waits for a system that is down.
const LOOK: Duration = Duration::from_secs(1);

/// Shows a bar of a run's records until all have settled, or the run has failed. With its project, it is said for which
/// system the run waits that is down.
pub async fn follow(
    store: &dyn Store,
    run: RunId,
    label: &str,
    project: Option<&Project>,
) -> anyhow::Result<RunSummary> {
    let bar = ProgressBar::new(0)
        .with_style(style()?)
        .with_prefix(label.to_owned());
    let (mut waiting, mut looked_at) = (Waiting::default(), None::<Instant>);
    loop {
        let summary = store
            .run(run)
            .await?
            .context("the run is not in the store any more")?;
        if let Some(project) = project
            && looked_at.is_none_or(|looked_at| looked_at.elapsed() >= LOOK)
        {
            let outages = store.outages(Outage::FORGOTTEN_AFTER).await?;
            waiting.learn(&bar, label, waits::outage_of(project, &outages, &summary));
            looked_at = Some(Instant::now());
        }
        show(&bar, &summary, &waiting);
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
        RunState::Settling => summary.counts.waiting <= summary.blocked_by_dead_letters,
        RunState::Requested | RunState::Extracting => false,
    }
}

/// What became of a run's records, in words: `990 created, 10 dead, 3 waiting (2 for dead letters)`.
pub fn in_words(summary: &RunSummary) -> String {
    let counts = &summary.counts;
    let some = Outcome::ALL
        .into_iter()
        .filter(|&outcome| counts.count(outcome) > 0);
    let mut words: Vec<String> = some
        .map(|outcome| format!("{} {}", counts.count(outcome), outcome.as_str()))
        .collect();
    if counts.waiting > 0 {
        let blocked = match summary.blocked_by_dead_letters {
            0 => String::new(),
            blocked => format!(" ({blocked} for dead letters)"),
        };
        words.push(format!("{} waiting{blocked}", counts.waiting));
    }
    if words.is_empty() {
        "no records".into()
    } else {
        words.join(", ")
    }
}

fn show(bar: &ProgressBar, summary: &RunSummary, waiting: &Waiting) {
    bar.set_length(summary.counts.records);
    bar.set_position(summary.counts.records - summary.counts.waiting);
    let waits = waiting
        .0
        .as_ref()
        .map(|outage| format!(", {}", waits::in_words(outage)));
    bar.set_message(format!(
        "{}{}",
        in_words(summary),
        waits.unwrap_or_default()
    ));
}

/// The outage whose end a run waits for.
#[derive(Default)]
struct Waiting(Option<Outage>);

impl Waiting {
    /// Says it once when the wait begins, or becomes one for another kind of failure; beside the bar, which not
    /// everybody sees.
    #[expect(clippy::print_stderr, reason = "remarks beside a command's data")]
    fn learn(&mut self, bar: &ProgressBar, label: &str, outage: Option<&Outage>) {
        match (&self.0, outage) {
            (Some(told), Some(outage)) if told.class == outage.class => {}
            (
                _,
                Some(Outage {
                    system,
                    since,
                    reason,
                    ..
                }),
            ) => bar.suspend(|| {
                eprintln!("{label}: waits for {system}, which is down since {since:.0}: {reason}");
            }),
            (_, None) => {}
        }
        self.0 = outage.cloned();
    }
}

fn style() -> anyhow::Result<ProgressStyle> {
    Ok(ProgressStyle::with_template(
        "{prefix} {bar:30} {pos}/{len} {per_sec} {msg}",
    )?)
}
