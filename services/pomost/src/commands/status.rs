//! `pomost status`

use std::process::ExitCode;

use pomost_store::{Outage, RunSummary};

use crate::{cli::ProjectArgument, open, progress, table::Table, waits};

/// The arguments of `pomost status`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this flow
    #[arg(long)]
    flow: Option<String>,
    /// At most so many runs
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    project: ProjectArgument,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.project.project;
    let settings = open::settings(directory)?;
    let backends = open::to_look(&settings).await?;
    let outages = backends.store.outages(Outage::FORGOTTEN_AFTER).await?;
    show(&outages);
    // Where the project cannot be read here, less is shown.
    let project = if outages.is_empty() {
        None
    } else {
        open::project(directory).ok()
    };
    let waits_for = |run: &RunSummary| {
        let outage = waits::outage_of(project.as_ref()?, &outages, run);
        outage.map(|outage| format!(", {}", waits::in_words(outage)))
    };
    let runs = backends
        .store
        .runs(arguments.flow.as_deref(), arguments.limit)
        .await?;
    let mut table = Table::new([
        "REQUESTED",
        "FLOW",
        "TRIGGER",
        "STATE",
        "RECORDS",
        "OUTCOMES",
        "RUN",
    ]);
    for run in runs {
        let waiting = waits_for(&run).unwrap_or_default();
        let trouble = run.error.as_ref().or(run.warning.as_ref());
        let outcomes = trouble.cloned().unwrap_or_else(|| progress::in_words(&run));
        table.row([
            format!("{:.0}", run.requested_at),
            run.flow,
            run.trigger.as_str().into(),
            run.state.as_str().into(),
            run.counts.records.to_string(),
            format!("{outcomes}{waiting}"),
            run.id.to_string(),
        ]);
    }
    table.print();
    Ok(ExitCode::SUCCESS)
}

/// The systems that are down, and what is to be done where they do not come back by themselves.
#[expect(clippy::print_stdout, reason = "a command's data")]
fn show(outages: &[Outage]) {
    if outages.is_empty() {
        return;
    }
    let mut table = Table::new(["SYSTEM", "DOWN SINCE", "WHY"]);
    for outage in outages {
        table.row([
            outage.system.clone(),
            format!("{:.0}", outage.since),
            outage.reason.clone(),
        ]);
    }
    table.print();
    for Outage { system, .. } in outages.iter().filter(|outage| outage.is_unauthorised()) {
        println!(
            "{system} does not let us in: mend the credentials that systems/{system}.yaml refers to, or have them \
             granted what is missing, and restart; its flows then go on by themselves"
        );
    }
    println!();
}
