//! The start and the end of a process that runs services.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use backon::Retryable;
use pomost_project::{Project, environment::Environment};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    Backends, ServiceContext, Settings, backends, backoff::growing_pauses, health, shutdown,
    telemetry,
};

/// The exit code of a wrong setting or project, after `EX_CONFIG` of sysexits.h.
const MISCONFIGURED: u8 = 78;

/// The time within which the servers that a service needs have to answer at its start. Services and
/// servers are often started together.
const SERVER_START_TIMEOUT: Duration = Duration::from_secs(60);

/// The pauses between attempts to connect grow from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A process that runs one service or all of them: everything in which their starts differ.
pub struct ServiceProcess {
    pub project: Project,
    pub settings: Settings,
    /// The time within which the servers have to answer.
    pub server_start_timeout: Duration,
    /// The log message that says that the process has started.
    pub ready_message: &'static str,
}

/// Runs a service from its settings to its end. `prepare` makes the service itself, which ends when
/// [`ServiceContext::shutdown`] is cancelled and everything in hand is settled. What the service
/// listens at is bound while it is prepared, so that it is there when the process says that it is
/// ready.
pub fn serve<Prepare, Preparing, Running>(service: &'static str, prepare: Prepare) -> ExitCode
where
    Prepare: FnOnce(ServiceContext) -> Preparing,
    Preparing: Future<Output = anyhow::Result<Running>>,
    Running: Future<Output = anyhow::Result<()>>,
{
    let telemetry = telemetry::start(service);
    let code = match run_to_the_end(serve_until_shutdown(prepare)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(error = format!("{failure:#}"), "{service} ends");
            match failure.is::<Misconfigured>() {
                true => ExitCode::from(MISCONFIGURED),
                false => ExitCode::FAILURE,
            }
        }
    };
    telemetry.flush();
    code
}

/// Runs a future in an async runtime of its own. Computations that still run at its end are left
/// behind: a mapping may take long, and nobody would see its result.
pub fn run_to_the_end<T>(running: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(running);
    runtime.shutdown_background();
    ended
}

/// Opens the backends, declares the queues, prepares the services, serves the process's health and
/// runs the services until shutdown. A process that is told to end while it still opens servers
/// ends at once, since it has no work to finish.
pub async fn run_services<Prepare, Preparing, Running>(
    process: ServiceProcess,
    shutdown: &CancellationToken,
    prepare: Prepare,
) -> anyhow::Result<()>
where
    Prepare: FnOnce(ServiceContext) -> Preparing,
    Preparing: Future<Output = anyhow::Result<Running>>,
    Running: Future<Output = anyhow::Result<()>>,
{
    let starting = start(process, shutdown.clone(), prepare);
    let Some(services) = shutdown.run_until_cancelled(starting).await else {
        return Ok(());
    };
    let running = services?;
    shutdown::in_time(shutdown, running).await.unwrap_or(Ok(()))
}

async fn serve_until_shutdown<Prepare, Preparing, Running>(prepare: Prepare) -> anyhow::Result<()>
where
    Prepare: FnOnce(ServiceContext) -> Preparing,
    Preparing: Future<Output = anyhow::Result<Running>>,
    Running: Future<Output = anyhow::Result<()>>,
{
    let shutdown = shutdown::on_signal()?;
    let process = service_process().context(Misconfigured)?;
    let ended = run_services(process, &shutdown, prepare).await;
    ended.map_err(|failure| match failure.downcast_ref::<backends::Error>() {
        Some(error) if !error.may_pass() => failure.context(Misconfigured),
        _ => failure,
    })
}

/// A service from its environment. It needs servers, through which it meets the other services.
fn service_process() -> anyhow::Result<ServiceProcess> {
    let settings = Settings::from_environment()?;
    let environment = Environment::of_process(&settings.project);
    let project = Project::load(&settings.project, &environment)?;
    if settings.servers()?.is_none() {
        return Err(backends::Error::NoServers.into());
    }
    Ok(ServiceProcess {
        project,
        settings,
        server_start_timeout: SERVER_START_TIMEOUT,
        ready_message: "ready",
    })
}

async fn start<Preparing, Running>(
    process: ServiceProcess,
    shutdown: CancellationToken,
    prepare: impl FnOnce(ServiceContext) -> Preparing,
) -> anyhow::Result<Running>
where
    Preparing: Future<Output = anyhow::Result<Running>>,
{
    let ServiceProcess {
        project,
        settings,
        server_start_timeout,
        ready_message,
    } = process;
    let context = ServiceContext {
        project: Arc::new(project),
        backends: open_backends(&settings, server_start_timeout).await?,
        claim_ttl: settings.claim_ttl(),
        shutdown,
    };
    context.declare().await?;
    let services = prepare(context.clone()).await?;
    let address = health::serve(settings.http_addr, context.clone())
        .await
        .with_context(|| format!("cannot listen on POMOST_HTTP_ADDR={}", settings.http_addr))?;
    info!(%address, flows = context.project.flows.len(), "{ready_message}");
    Ok(services)
}

/// Opens the backends, and tries again while a server does not answer yet.
async fn open_backends(
    settings: &Settings,
    server_start_timeout: Duration,
) -> Result<Backends, backends::Error> {
    let backoff =
        growing_pauses(FIRST_PAUSE, LONGEST_PAUSE).with_total_delay(Some(server_start_timeout));
    (|| Backends::open(settings))
        .retry(backoff)
        .when(backends::Error::may_pass)
        .notify(|error, _| warn!(%error, "connecting again shortly"))
        .await
}

/// The mistake is in the environment or the project: starting again does not help.
#[derive(Debug, thiserror::Error)]
#[error("wrong settings or project")]
struct Misconfigured;
