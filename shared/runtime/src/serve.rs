//! A service's whole `main`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use backon::{ExponentialBuilder, Retryable};
use pomost_project::{Project, environment::Environment};
use tracing::{error, info, warn};

use crate::{
    Backends, ServiceContext, Settings,
    backends::{self, Servers},
    health, shutdown, telemetry,
};

/// The exit code of a wrong setting or project, after `EX_CONFIG` of sysexits.h.
const MISCONFIGURED: u8 = 78;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a service from its settings to its end: `run` is the service itself, which returns when
/// `Context::shutdown` is cancelled and everything in hand is settled.
pub fn serve<Run, Running>(service: &'static str, run: Run) -> ExitCode
where
    Run: FnOnce(ServiceContext) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    let telemetry = telemetry::start(service);
    let code = match run_to_the_end(serve_until_shutdown(run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(error = format!("{failure:#}"), "{service} ends");
            ExitCode::from(if failure.is::<Misconfigured>() {
                MISCONFIGURED
            } else {
                1
            })
        }
    };
    telemetry.flush();
    code
}

/// Runs something in an async runtime of its own, and leaves behind what still computes then: a mapping may take
/// long, and nobody would hear of what came of it.
pub fn run_to_the_end<T>(running: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(running);
    runtime.shutdown_background();
    ended
}

async fn serve_until_shutdown<Run, Running>(run: Run) -> anyhow::Result<()>
where
    Run: FnOnce(ServiceContext) -> Running,
    Running: Future<Output = anyhow::Result<()>>,
{
    let shutdown = shutdown::on_signal()?;
    let settings = Settings::from_environment().context(Misconfigured)?;
    let project = Project::load(
        &settings.project,
        &Environment::of_process(&settings.project),
    );
    let project = project.context(Misconfigured)?;
    let Some(servers) = settings.servers().context(Misconfigured)? else {
        return Err(backends::Error::NoServers).context(Misconfigured);
    };
    let connecting = connect(&servers, &settings.namespace);
    let Some(backends) = shutdown.run_until_cancelled(connecting).await else {
        return Ok(());
    };
    let backends = match backends {
        Err(error) if !error.may_pass() => return Err(error).context(Misconfigured),
        backends => backends?,
    };
    let claim = settings.claim();
    let context = ServiceContext {
        project: Arc::new(project),
        backends,
        claim,
        shutdown: shutdown.clone(),
    };
    context.declare().await?;
    let address = health::serve(settings.http_addr, context.clone())
        .await
        .with_context(|| format!("cannot listen on POMOST_HTTP_ADDR={}", settings.http_addr))?;
    info!(%address, flows = context.project.flows.len(), "ready");
    shutdown::in_time(&shutdown, run(context)).await
}

/// Services and servers are often started together: a server that does not answer yet is waited for.
async fn connect(servers: &Servers, namespace: &str) -> Result<Backends, backends::Error> {
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times()
        .with_total_delay(Some(PATIENCE));
    (|| Backends::servers(servers, namespace))
        .retry(backoff)
        .when(backends::Error::may_pass)
        .notify(|error, _| warn!(%error, "connecting again shortly"))
        .await
}

/// What is wrong stands in the environment or the project; starting again does not help.
#[derive(Debug, thiserror::Error)]
#[error("wrong settings or project")]
struct Misconfigured;
