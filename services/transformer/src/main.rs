//! The transformer service.

use std::process::ExitCode;

fn main() -> ExitCode {
    pomost_runtime::serve("pomost-transformer", async |context| {
        Ok(pomost_transformer::run(context))
    })
}
