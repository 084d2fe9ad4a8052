//! `pomost schema`

use std::process::ExitCode;

use clap::ValueEnum;

/// The arguments of `pomost schema`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The kind of file
    kind: FileKind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileKind {
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
        FileKind::System => pomost_project::system_schema(),
        FileKind::Flow => pomost_project::flow_schema(),
        FileKind::Alerts => pomost_project::alerts_schema(),
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}
