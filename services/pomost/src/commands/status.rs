//! `pomost status`

use std::{collections::BTreeSet, path::Path, process::ExitCode};

use pomost_project::{Project, flow::To};
use pomost_store::{Outage, RunState, RunSummary};

use crate::{cli::ProjectArgument, open, progress, table::Table};

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
    let outages = backends.store.outages(Outage::REMEMBERED).await?;
    show(&outages);
    let waits = Waits::of(directory, &outages);
    let runs = backends.store.runs(arguments.flow.as_deref(), arguments.limit).await?;
    let mut table = Table::new(["REQUESTED", "FLOW", "TRIGGER", "STATE", "RECORDS", "OUTCOMES", "RUN"]);
    for run in runs {
        let waiting = waits.in_words(&run);
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
        table.row([outage.system.clone(), format!("{:.0}", outage.since), outage.reason.clone()]);
    }
    table.print();
    for Outage { system, .. } in outages.iter().filter(|outage| outage.is_of_credentials()) {
        println!(
            "{system} does not let us in: mend the credentials that systems/{system}.yaml refers to, or have them \
             granted what is missing, and restart; its flows then go on by themselves"
        );
    }
    println!();
}

/// What runs wait for.
struct Waits<'a> {
    /// None where it cannot be read here, which only shows less.
    project: Option<Project>,
    down: BTreeSet<&'a str>,
}

impl<'a> Waits<'a> {
    fn of(directory: &Path, outages: &'a [Outage]) -> Waits<'a> {
        let project = if outages.is_empty() { None } else { open::project(directory).ok() };
        Waits { project, down: outages.iter().map(|outage| &*outage.system).collect() }
    }

    /// The system that a run waits for, after a comma.
    fn in_words(&self, run: &RunSummary) -> String {
        let system = self.system(run).filter(|system| self.down.contains(system));
        system.map(|system| format!(", waits for {system}")).unwrap_or_default()
    }

    /// The system that a run is at.
    fn system(&self, run: &RunSummary) -> Option<&str> {
        let flow = self.project.as_ref()?.flows.get(&run.flow)?;
        match (run.state, &flow.load.to) {
            (RunState::Requested | RunState::Extracting, _) => Some(&flow.extract.system),
            (RunState::Settling, To::System(requests)) => Some(&requests.system),
            _ => None,
        }
    }
}
