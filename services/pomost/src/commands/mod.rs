//! The commands, a file each.

pub mod bench;
pub mod check;
pub mod cursor;
pub mod dead;
pub mod demo;
pub mod eval;
pub mod init;
pub mod run;
pub mod sandbox;
pub mod schema;
pub mod status;
pub mod sync;

use std::process::ExitCode;

/// Runs a command in an async runtime of its own.
pub(crate) fn in_runtime(
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
