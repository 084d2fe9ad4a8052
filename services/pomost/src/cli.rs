//! The command line: its commands, and how a command ends.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pomost_operations::Error;
use pomost_runtime::telemetry;

use crate::commands::{
    bench, check, cursor, dead, demo, eval, init, run, sandbox, schema, status, sync, system,
};

/// The exit code for a project with problems, and for an argument that makes no sense.
const INVALID_INPUT: u8 = 2;

/// Moves business records between systems that only have HTTP APIs in common.
#[derive(Debug, Parser)]
#[command(name = "pomost", version)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show it all: two sandbox systems, the example flow, changes, dead letters, a verified result
    Demo(demo::Arguments),
    /// Write a small commented project to start from
    Init(init::Arguments),
    /// Compile a project and report every problem with its place
    Check(check::Arguments),
    /// Run the extractor, the transformer and the loader in this process
    Run(run::Arguments),
    /// Run one flow now and wait until every record has settled
    Sync(sync::Arguments),
    /// Show the newest runs and what became of their records
    Status(status::Arguments),
    /// List, show, replay and discard dead letters
    Dead(dead::Arguments),
    /// Show or set how far a flow's source has been read
    Cursor(cursor::Arguments),
    /// Resume requests to a system that is on hold
    System(system::Arguments),
    /// Try an expression on JSON from standard input
    Eval(eval::Arguments),
    /// Print the JSON Schema of a project's files, for editors
    Schema(schema::Arguments),
    /// Measure the pipeline beside a bare loop that posts the same bodies
    Bench(bench::Arguments),
    /// Serve one of the sandbox systems
    #[command(hide = true)]
    Sandbox(sandbox::Arguments),
}

impl CommandLine {
    /// Runs the command to its end. Errors go to standard error. The exit code is 0 for success, 2
    /// for a project with problems, an expression that does not compile or an argument that makes
    /// no sense, and 1 for anything else.
    pub fn run(self) -> ExitCode {
        let telemetry = telemetry::start_with("pomost", self.command.log_level());
        let outcome = pomost_runtime::run_to_the_end(self.command.run());
        telemetry.flush();
        outcome.unwrap_or_else(report)
    }
}

impl Command {
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Init(arguments) => init::run(arguments),
            Command::Check(arguments) => check::run(arguments),
            Command::Run(arguments) => run::run(arguments).await,
            Command::Sync(arguments) => sync::run(arguments).await,
            Command::Status(arguments) => status::run(arguments).await,
            Command::Dead(arguments) => dead::run(arguments).await,
            Command::Cursor(arguments) => cursor::run(arguments).await,
            Command::System(arguments) => system::run(arguments).await,
            Command::Eval(arguments) => eval::run(arguments),
            Command::Schema(arguments) => schema::run(arguments),
            Command::Bench(arguments) => bench::run(arguments).await,
            Command::Sandbox(arguments) => sandbox::run(arguments).await,
        }
    }

    /// The log level where `RUST_LOG` is not set. Services log their work; the other commands print
    /// it themselves, so only warnings and errors are logged.
    fn log_level(&self) -> &'static str {
        match self {
            Command::Run(_) => "info",
            Command::Demo(_) => "error",
            _ => "warn",
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the command line's errors go to standard error"
)]
fn report(error: anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Error>() {
        // A list of problems, each of which begins with its place.
        Some(Error::Project(problems)) => eprintln!("{problems}"),
        _ => eprintln!("error: {error:#}"),
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Project(_) | Error::InvalidArgument(_)) => ExitCode::from(INVALID_INPUT),
        _ => ExitCode::FAILURE,
    }
}
