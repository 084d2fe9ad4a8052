//! `pomost status`

use std::process::ExitCode;

use pomost_operations::{
    open,
    runs::{self, RunReport, SystemOutage},
};

use crate::{arguments::ProjectArgument, progress_bar, table::TextTable};

/// The arguments of `pomost status`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Show only runs of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Show at most so many runs
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    project: ProjectArgument,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.project.project;
    let store = open::to_look(&open::settings(directory)?).await?.store;
    let (flow, limit) = (arguments.flow.as_deref(), arguments.limit);
    let status = runs::status(&*store, directory, flow, limit).await?;
    if !status.outages.is_empty() {
        print_outages(&status.outages);
    }
    print_runs(&status.runs);
    Ok(ExitCode::SUCCESS)
}

/// Prints the systems that are down, and what has to be done for those that do not come back by
/// themselves.
#[expect(clippy::print_stdout, reason = "a command's data")]
fn print_outages(outages: &[SystemOutage]) {
    let mut table = TextTable::new(["SYSTEM", "DOWN SINCE", "WHY"]);
    for outage in outages {
        table.row([
            outage.system.clone(),
            format!("{:.0}", outage.since),
            outage.reason.clone(),
        ]);
    }
    table.print();
    for SystemOutage { system, .. } in outages.iter().filter(|outage| outage.is_of_credentials) {
        println!(
            "{system} does not let us in: mend the credentials that {} refers to, or have them \
             granted what is missing, and restart; its flows then go on by themselves",
            file_of(system)
        );
    }
    println!();
}

/// The file that refers to the credentials of a system, or of a table or files: `FLOW (table)`.
fn file_of(system: &str) -> String {
    match system.split_once(" (") {
        Some((flow, _)) => format!("flows/{flow}.yaml"),
        None => format!("systems/{system}.yaml"),
    }
}

fn print_runs(runs: &[RunReport]) {
    let mut table = TextTable::new([
        "REQUESTED",
        "FLOW",
        "TRIGGER",
        "STATE",
        "RECORDS",
        "OUTCOMES",
        "RUN",
    ]);
    for run in runs {
        let trouble = run.error.as_ref().or(run.warning.as_ref());
        let outcomes = trouble
            .cloned()
            .unwrap_or_else(|| progress_bar::outcomes(run));
        table.row([
            format!("{:.0}", run.requested_at),
            run.flow.clone(),
            run.trigger.as_str().into(),
            run.state.as_str().into(),
            run.records.to_string(),
            format!("{outcomes}{}", progress_bar::waits_for(run)),
            run.id.to_string(),
        ]);
    }
    table.print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_with_the_credentials_of_a_table_is_its_flow_s() {
        assert_eq!(file_of("shop"), "systems/shop.yaml");
        assert_eq!(file_of("sales (table)"), "flows/sales.yaml");
    }
}
