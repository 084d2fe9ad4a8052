//! `pomost`: the operator's command line, and everything in one process.

use std::process::ExitCode;

use clap::Parser;
use pomost::cli::CommandLine;

fn main() -> ExitCode {
    CommandLine::parse().run()
}
