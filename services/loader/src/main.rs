//! The loader service.

use std::process::ExitCode;

use pomost_http::SystemClients;

fn main() -> ExitCode {
    pomost_runtime::serve("pomost-loader", async |context| {
        let clients = SystemClients::new(&context.project, &context.backends.store)?;
        Ok(pomost_loader::run(context, clients))
    })
}
