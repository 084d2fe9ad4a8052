//! The extractor service.

use std::process::ExitCode;

use pomost_extractor::Scheduling;
use pomost_http::Clients;

fn main() -> ExitCode {
    pomost_runtime::serve("pomost-extractor", async |context| {
        let clients = Clients::new(&context.project, &context.backends.store)?;
        pomost_extractor::run(context, clients, Scheduling::On).await
    })
}
