//! `pomost cursor`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use crate::{cli::ProjectArgument, open};

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
        /// Where to begin; left out, at the flow's start
        value: Option<String>,
        #[command(flatten)]
        project: ProjectArgument,
    },
}

#[expect(clippy::print_stdout, reason = "a command's data")]
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (Action::Show { flow, project } | Action::Set { flow, project, .. }) = &arguments.action;
    let settings = open::settings(&project.project)?;
    open::project(&project.project)?
        .flows
        .get(flow)
        .with_context(|| format!("there is no flow '{flow}'"))?
        .extract
        .cursor
        .as_ref()
        .with_context(|| format!("the flow '{flow}' has no extract.cursor: every run reads everything"))?;
    let store = open::to_look(&settings).await?.store;
    match &arguments.action {
        Action::Show { .. } => println!("{}", store.cursor(flow).await?.unwrap_or_default()),
        Action::Set { value, .. } => store.set_cursor(flow, value.as_deref()).await?,
    }
    Ok(ExitCode::SUCCESS)
}
