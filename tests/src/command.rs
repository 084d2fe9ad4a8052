//! The command line.

use std::{path::Path, process::Output};

use tokio::process::Command;

use crate::binary;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Printed {
    /// Its exit code.
    pub code: i32,
    /// What stands in its standard output.
    pub out: String,
    /// What stands in its standard error.
    pub err: String,
}

impl Printed {
    /// What is in a command's output.
    pub fn of(output: Output) -> Printed {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Printed {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The program with these arguments, for a project.
pub fn pomost_in(project: &Path, arguments: &[&str]) -> Command {
    let mut command = pomost(arguments);
    command
        .env("POMOST_PROJECT", project)
        .env("POMOST_HTTP_ADDR", "127.0.0.1:0");
    command
}

/// The program with these arguments, in no environment.
pub fn pomost(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("pomost"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command
}
