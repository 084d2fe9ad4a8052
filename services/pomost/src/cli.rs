//! The commands and their arguments.

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use pomost_project::Problems;
use pomost_runtime::telemetry;

use crate::commands::{
    bench, check, cursor, dead, demo, eval, init, run, sandbox, schema, status, sync,
};

/// The exit code of a project with problems, and of an argument that makes no sense.
const PROBLEMS: u8 = 2;

/// An argument that makes no sense for the project's flow, and what was expected.
#[derive(Debug)]
pub(crate) struct Nonsense(pub(crate) String);

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Nonsense {}

/// Moves business records between systems that only have HTTP APIs in common.
#[derive(Debug, Parser)]
#[command(name = "pomost", version)]
pub struct Cli {
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

/// Where the project is; every command that needs one takes it.
#[derive(Debug, Clone, clap::Args)]
pub struct ProjectArgument {
    /// The project's directory
    #[arg(long, env = "POMOST_PROJECT", default_value = ".")]
    pub project: PathBuf,
}

impl Cli {
    /// Runs the command to its end. Errors go to standard error; the exit code is 0 where all is
    /// well, 2 for a project with problems, an expression that does not compile or an argument that makes no sense,
    /// 1 for anything else.
    pub fn run(self) -> ExitCode {
        let telemetry = telemetry::start_with("pomost", self.command.log_level());
        let outcome = pomost_runtime::run_to_the_end(async move {
            match self.command {
                Command::Demo(arguments) => demo::run(arguments).await,
                Command::Init(arguments) => init::run(arguments),
                Command::Check(arguments) => check::run(arguments),
                Command::Run(arguments) => run::run(arguments).await,
                Command::Sync(arguments) => sync::run(arguments).await,
                Command::Status(arguments) => status::run(arguments).await,
                Command::Dead(arguments) => dead::run(arguments).await,
                Command::Cursor(arguments) => cursor::run(arguments).await,
                Command::Eval(arguments) => eval::run(arguments),
                Command::Schema(arguments) => schema::run(arguments),
                Command::Bench(arguments) => bench::run(arguments).await,
                Command::Sandbox(arguments) => sandbox::run(arguments).await,
            }
        });
        telemetry.flush();
        outcome.unwrap_or_else(report)
    }
}

impl Command {
    /// Services say what they do; the other commands show it themselves, and only trouble is logged.
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
    if let Some(problems) = error.downcast_ref::<Problems>() {
        eprintln!("{problems}");
        return ExitCode::from(PROBLEMS);
    }
    eprintln!("error: {error:#}");
    if error.is::<Nonsense>() {
        ExitCode::from(PROBLEMS)
    } else {
        ExitCode::FAILURE
    }
}
