//! `pomost cursor`

use std::process::ExitCode;

use clap::Subcommand;
use pomost_operations::{cursors, open};

use crate::arguments::ProjectArgument;

/// The arguments of `pomost cursor`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print how far a flow's source has been read
    Show {
        /// The flow
        flow: String,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Let the next run of a flow begin elsewhere
    Set {
        /// The flow
        flow: String,
        /// The place to begin at; left out, the flow's start
        value: Option<String>,
        #[command(flatten)]
        project: ProjectArgument,
    },
}

#[expect(clippy::print_stdout, reason = "a command's data")]
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (Action::Show { project, .. } | Action::Set { project, .. }) = &arguments.action;
    let settings = open::settings(&project.project)?;
    let project = open::project(&project.project)?;
    let store = open::to_look(&settings).await?.store;
    match &arguments.action {
        Action::Show { flow, .. } => {
            let cursor = cursors::show(&*store, &project, flow).await?;
            println!("{}", cursor.value.unwrap_or_default());
        }
        Action::Set { flow, value, .. } => {
            cursors::set(&*store, &project, flow, value.as_deref()).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
