//! `pomost run`

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use pomost_extractor::{Scheduling, webhook::WebhookReceiver};
use pomost_http::SystemClients;
use pomost_runtime::{ServiceContext, health, shutdown};
use tracing::{info, warn};

use crate::{open, runner};

/// The arguments of `pomost run`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's directory
    #[arg(env = "POMOST_PROJECT", default_value = ".")]
    directory: PathBuf,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    let project = Arc::new(open::project(&arguments.directory)?);
    for warning in project.warnings.iter() {
        warn!("{warning}");
    }
    let settings = open::settings(&arguments.directory)?;
    let backends = open::to_run(&settings).await?;
    let claim = settings.claim();
    let context = ServiceContext {
        project,
        backends,
        claim,
        shutdown: shutdown.clone(),
    };
    context.declare().await?;
    let address = health::serve(settings.http_addr, context.clone())
        .await
        .with_context(|| format!("cannot listen on POMOST_HTTP_ADDR={}", settings.http_addr))?;
    let clients = SystemClients::new(&context.project, &context.backends.store)?;
    let receiver = WebhookReceiver::bind(context.clone(), settings.webhook_addr).await?;
    info!(%address, flows = context.project.flows.len(), "running");
    let receiving = tokio::spawn(receiver.serve());
    let running = async {
        let ran = runner::run(context, clients, Scheduling::On).await;
        receiving.await?;
        ran
    };
    shutdown::in_time(&shutdown, running).await?;
    Ok(ExitCode::SUCCESS)
}
