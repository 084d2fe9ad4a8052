//! `pomost cursor`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use pomost_extractor::cursor;
use pomost_project::flow::{CursorRules, ExtractRules};

use crate::{
    cli::{Nonsense, ProjectArgument},
    open,
};

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
    let project = open::project(&project.project)?;
    let extract = &project
        .flows
        .get(flow)
        .with_context(|| format!("there is no flow '{flow}'"))?
        .extract;
    let cursor = extract.cursor.as_ref().with_context(|| {
        format!("the flow '{flow}' has no extract.cursor: every run reads everything")
    })?;
    let store = open::to_look(&settings).await?.store;
    let stored = store.cursor(flow).await?;
    match &arguments.action {
        Action::Show { .. } => println!("{}", stored.unwrap_or_default()),
        Action::Set { value, .. } => {
            if let Some(value) = value {
                check(extract, cursor, stored.as_deref(), value)?;
            }
            store.set_cursor(flow, value.as_deref()).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a place that the flow's runs cannot begin at, or that would hide from them what is to come.
pub(super) fn check(
    extract: &ExtractRules,
    cursor: &CursorRules,
    stored: Option<&str>,
    value: &str,
) -> Result<(), Nonsense> {
    cursor::check_start(cursor, stored, value).map_err(Nonsense)?;
    let clock = extract.timezone.as_ref().into();
    if cursor.value().is_some() && cursor::is_certainly_later(value, Timestamp::now(), clock) {
        return Err(Nonsense(format!(
            "{value:?} is a time to come: what changes until then would not be read"
        )));
    }
    Ok(())
}
