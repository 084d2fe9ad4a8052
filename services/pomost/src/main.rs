//! `pomost`: the operator's command line, and everything in one process.

use std::process::ExitCode;

use clap::Parser;
use pomost::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
