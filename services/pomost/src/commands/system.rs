//! `pomost system`

use std::process::ExitCode;

use clap::Subcommand;
use pomost_operations::{
    open,
    systems::{self, ResumedSystem},
};

use crate::arguments::ProjectArgument;

/// The arguments of `pomost system`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lift the hold that a system asked for with Retry-After: requests go on
    Resume {
        /// The system
        system: String,
        #[command(flatten)]
        project: ProjectArgument,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Action::Resume { system, project } = arguments.action;
    let settings = open::settings(&project.project)?;
    let project = open::project(&project.project)?;
    let store = open::to_look(&settings).await?.store;
    print(&systems::resume(&*store, &project, &system).await?);
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a command's data")]
fn print(resumed: &ResumedSystem) {
    let system = &resumed.system;
    match resumed.lifted {
        Some(lifted) => println!(
            "{system}: lifted a hold that would have lasted {} more seconds",
            lifted.as_secs() + u64::from(lifted.subsec_nanos() > 0)
        ),
        None => println!("{system} was not held; nothing was lifted"),
    }
}
