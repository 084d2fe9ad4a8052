//! The extractor service.

use std::process::ExitCode;

use pomost_extractor::webhook::WebhookReceiver;
use pomost_http::SystemClients;
use pomost_runtime::Settings;

fn main() -> ExitCode {
    pomost_runtime::serve("pomost-extractor", async |context| {
        let clients = SystemClients::new(&context.project, &context.backends.store)?;
        let webhooks = Settings::from_environment()?.webhook_addr;
        let receiver = WebhookReceiver::bind(context.clone(), webhooks).await?;
        Ok(pomost_extractor::serve(context, clients, receiver))
    })
}
