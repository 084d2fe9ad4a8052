//! `pomost init`

use std::{path::PathBuf, process::ExitCode};

/// The arguments of `pomost init`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory to write the project into; it is created where it does not exist
    directory: PathBuf,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's data, and remarks beside it"
)]
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    for file in pomost_project::init(&arguments.directory)? {
        println!("{}", file.display());
    }
    eprintln!("next: pomost check {}", arguments.directory.display());
    Ok(ExitCode::SUCCESS)
}
