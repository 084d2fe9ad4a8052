//! `pomost status`

use std::process::ExitCode;

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
    let settings = open::settings(&arguments.project.project)?;
    let backends = open::to_look(&settings).await?;
    let runs = backends.store.runs(arguments.flow.as_deref(), arguments.limit).await?;
    let mut table = Table::new(["REQUESTED", "FLOW", "TRIGGER", "STATE", "RECORDS", "OUTCOMES", "RUN"]);
    for run in runs {
        let outcomes = run.error.or(run.warning).unwrap_or_else(|| progress::in_words(&run.counts));
        table.row([
            format!("{:.0}", run.requested_at),
            run.flow,
            run.trigger.as_str().into(),
            run.state.as_str().into(),
            run.counts.records.to_string(),
            outcomes,
            run.id.to_string(),
        ]);
    }
    table.print();
    Ok(ExitCode::SUCCESS)
}
