//! `pomost run`

use std::{path::PathBuf, process::ExitCode, time::Duration};

use pomost_extractor::{Scheduling, webhook::WebhookReceiver};
use pomost_http::SystemClients;
use pomost_operations::open;
use pomost_runtime::{ServiceProcess, shutdown};
use tracing::warn;

use crate::runner;

/// The arguments of `pomost run`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's directory
    #[arg(env = "POMOST_PROJECT", default_value = ".")]
    directory: PathBuf,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    let project = open::project(&arguments.directory)?;
    for warning in project.warnings.iter() {
        warn!("{warning}");
    }
    let settings = open::settings(&arguments.directory)?;
    let webhook_addr = settings.webhook_addr;
    let process = ServiceProcess {
        project,
        settings,
        // Somebody at a terminal is told at once that a server does not answer.
        server_start_timeout: Duration::ZERO,
        ready_message: "running",
    };
    pomost_runtime::run_services(process, &shutdown, async |context| {
        let clients = SystemClients::new(&context.project, &context.backends.store)?;
        let receiver = WebhookReceiver::bind(context.clone(), webhook_addr).await?;
        Ok(async {
            let receiving = tokio::spawn(receiver.serve());
            let ran = runner::run(context, clients, Scheduling::On).await;
            receiving.await?;
            ran
        })
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}
