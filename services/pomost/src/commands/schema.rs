//! `pomost schema`

use std::process::ExitCode;

use clap::ValueEnum;

/// The arguments of `pomost schema`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The kind of file
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// `systems/*.yaml`
    System,
    /// `flows/*.yaml`
    Flow,
    /// `alerts.yaml`
    Alerts,
}

#[expect(clippy::print_stdout, reason = "a command's data")]
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let schema = match arguments.kind {
        Kind::System => pomost_project::system_schema(),
        Kind::Flow => pomost_project::flow_schema(),
        Kind::Alerts => pomost_project::alerts_schema(),
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
