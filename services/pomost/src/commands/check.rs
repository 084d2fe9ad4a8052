//! `pomost check`

use std::{path::PathBuf, process::ExitCode};

use crate::open;

/// The arguments of `pomost check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's data, and remarks beside it"
)]
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = open::project(&arguments.directory)?;
    if !project.warnings.is_empty() {
        eprintln!("{}", project.warnings);
    }
    println!(
        "{} systems and {} flows are well-formed",
        project.systems.len(),
        project.flows.len()
    );
    Ok(ExitCode::SUCCESS)
}
