//! `pomost check`

use std::{path::PathBuf, process::ExitCode};

use pomost_operations::open;

use crate::progress_bar::remark;

/// The arguments of `pomost check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's directory
    #[arg(default_value = ".")]
    directory: PathBuf,
}

#[expect(clippy::print_stdout, reason = "a command's data")]
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let project = open::project(&arguments.directory)?;
    if !project.warnings.is_empty() {
        remark(&project.warnings.to_string());
    }
    println!(
        "{} systems and {} flows are well-formed",
        project.systems.len(),
        project.flows.len()
    );
    Ok(ExitCode::SUCCESS)
}
