//! The command line as a process.

use std::{path::Path, process::Output};

use tokio::process::Command;

use crate::binary;

/// The output of a command and its exit code.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: i32,
    /// The standard output.
    pub out: String,
    /// The standard error.
    pub err: String,
}

impl CommandOutput {
    /// The output of a command that has ended by itself.
    pub fn of(output: Output) -> CommandOutput {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        CommandOutput {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The command line with these arguments, for a project.
pub fn pomost_in(project: &Path, arguments: &[&str]) -> Command {
    let mut command = pomost(arguments);
    command
        .env("POMOST_PROJECT", project)
        .env("POMOST_HTTP_ADDR", "127.0.0.1:0");
    command
}

/// The command line with these arguments, in an empty environment. It is killed with the value.
pub fn pomost(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("pomost"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command
}
