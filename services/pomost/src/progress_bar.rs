//! Progress of runs, as people read it.

use indicatif::{ProgressBar, ProgressStyle};
use pomost_models::Outcome;
use pomost_operations::{
    follow::RunEvent,
    open::TakeoverEvent,
    runs::{RunReport, SystemOutage},
};

/// A progress bar for the records of a run that is followed.
pub struct RunProgressBar {
    label: String,
    bar: ProgressBar,
}

impl RunProgressBar {
    /// A bar that begins with the label.
    pub fn new(label: &str) -> RunProgressBar {
        let bar = ProgressBar::new(0).with_prefix(label.to_owned());
        // The template is a literal; were it wrong, the default would do.
        let bar =
            match ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {per_sec} {msg}") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            };
        let label = label.to_owned();
        RunProgressBar { label, bar }
    }

    /// Shows an event of the run.
    pub fn show(&mut self, event: RunEvent<'_>) {
        match event {
            RunEvent::Begins { flow, is_earlier } => {
                *self = RunProgressBar::new(&match is_earlier {
                    true => format!("{flow} (an earlier run)"),
                    false => flow.to_owned(),
                });
            }
            RunEvent::WaitsFor(outage) => self.announce(outage),
            RunEvent::Progress(run) => self.update(run),
            RunEvent::Ended => self.bar.finish_and_clear(),
        }
    }

    /// Prints a line for the outage beside the bar, which is not shown where standard error is no
    /// terminal.
    fn announce(&self, outage: &SystemOutage) {
        let SystemOutage {
            system,
            since,
            reason,
            ..
        } = outage;
        self.bar.suspend(|| {
            remark(&format!(
                "{}: waits for {system}, which is down since {since:.0}: {reason}",
                self.label
            ));
        });
    }

    fn update(&self, run: &RunReport) {
        self.bar.set_length(run.records);
        self.bar.set_position(run.records - run.waiting);
        self.bar
            .set_message(format!("{}{}", outcomes(run), waits_for(run)));
    }
}

/// Prints a remark beside a command's data.
#[expect(clippy::print_stderr, reason = "a remark beside a command's data")]
pub fn remark(text: &str) {
    eprintln!("{text}");
}

/// Prints how the wait for another process goes on.
pub fn show_takeover(event: TakeoverEvent) {
    remark(&match event {
        TakeoverEvent::Waiting { holder, since } => format!(
            "{holder} runs this project; waiting for it since {since:.0}, and going on when it ends"
        ),
        TakeoverEvent::HolderEnded => "it has ended; going on here".to_owned(),
    });
}

/// The outcomes of a run's records: `990 created, 10 dead, 3 waiting (2 for dead letters)`.
pub fn outcomes(run: &RunReport) -> String {
    let settled = Outcome::ALL
        .into_iter()
        .filter(|&outcome| run.count(outcome) > 0)
        .map(|outcome| format!("{} {}", run.count(outcome), outcome.as_str()));
    let words: Vec<String> = settled.chain(waiting(run)).collect();
    match words.is_empty() {
        true => "no records".into(),
        false => words.join(", "),
    }
}

fn waiting(run: &RunReport) -> Option<String> {
    match (run.waiting, run.blocked) {
        (0, _) => None,
        (waiting, 0) => Some(format!("{waiting} waiting")),
        (waiting, blocked) => Some(format!("{waiting} waiting ({blocked} for dead letters)")),
    }
}

/// The system that a run waits for, if it waits for one: `, waits for crm since
/// 2026-11-30T22:50:46Z`.
pub fn waits_for(run: &RunReport) -> String {
    match &run.waits_for {
        Some(SystemOutage { system, since, .. }) => {
            format!(", waits for {system} since {since:.0}")
        }
        None => String::new(),
    }
}
