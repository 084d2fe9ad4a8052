//! The transformer service.

use std::process::ExitCode;

fn main() -> ExitCode {
    pomost_runtime::serve("pomost-transformer", pomost_transformer::run)
}
