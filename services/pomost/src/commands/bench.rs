//! `pomost bench`

use std::{
    net::SocketAddr,
    num::NonZeroU8,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use pomost_http::SystemClients;
use pomost_models::{Outcome, Period, RunTrigger};
use pomost_operations::follow::{self, RunEvent};
use pomost_project::Project;
use pomost_runtime::{Backends, backends::Servers, shutdown};
use pomost_sandbox::{CrmOptions, ShopOptions};
use pomost_store::{Outage, RunRequest, Store};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;

use crate::{
    bench::{
        bare,
        process::{MeasuredProcess, ProcessUsage, machine_cpu},
        report::BenchReport,
    },
    example::{self, ExampleSystems},
    private_namespace::PrivateNamespace,
    progress_bar::RunProgressBar,
};

const FLOW: &str = "customers";

const STOPPED: &str = "stopped before the end";

/// A flow that reads the same customers, for a system that is down.
const WAITING_FLOW: &str = "waiting";

/// The time for which those customers have waited before the measurement begins.
const WAITING_TIME: SignedDuration = SignedDuration::from_secs(15);

/// A system whose address nobody listens on.
const AWAY_SYSTEM: &str = "system: away\nbase_url: http://127.0.0.1:1\n";

/// The arguments of `pomost bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of customers that cross
    #[arg(long, default_value_t = 20_000)]
    customers: u32,
    /// Number of loaders
    #[arg(long, default_value = "1")]
    loaders: NonZeroU8,
    /// The time that the shop takes to answer: 20ms, for example
    #[arg(long, default_value = "0ms")]
    latency: Period,
    /// Let the same customers of another flow wait for a system that is down meanwhile
    #[arg(long)]
    outage: bool,
    /// The RabbitMQ to use
    #[arg(
        long,
        env = "POMOST_AMQP_URL",
        value_name = "AMQP_URL",
        hide_env_values = true
    )]
    broker: SecretString,
    /// The PostgreSQL to use
    #[arg(
        long,
        env = "POMOST_DATABASE_URL",
        value_name = "POSTGRES_URL",
        hide_env_values = true
    )]
    database: SecretString,
    /// A file with the certificates, as PEM, that vouch for the PostgreSQL's own
    #[arg(long, env = "POMOST_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    let Arguments {
        customers,
        loaders,
        latency,
        outage,
        broker,
        database,
        database_ca,
    } = arguments;
    let servers = Servers {
        amqp_url: broker,
        database_url: database,
        database_ca,
    };
    let namespace = PrivateNamespace::new("pomost_bench", servers);
    let bench = Bench {
        customers,
        loaders: loaders.get().into(),
        latency,
        outage,
        namespace: &namespace,
    };
    let running = async {
        let measured = shutdown.run_until_cancelled(bench.measure()).await;
        let removed = namespace.remove(&[FLOW, WAITING_FLOW]).await;
        measured.context(STOPPED)??.print();
        removed.context("removing the bench from the servers")
    };
    let ended = shutdown::in_time(&shutdown, running).await;
    ended.context(STOPPED)??;
    Ok(ExitCode::SUCCESS)
}

/// The settings of a bench.
struct Bench<'a> {
    customers: u32,
    loaders: usize,
    latency: Period,
    outage: bool,
    namespace: &'a PrivateNamespace,
}

impl Bench<'_> {
    async fn measure(&self) -> anyhow::Result<BenchReport> {
        let directory = tempfile::Builder::new().prefix("pomost-bench-").tempdir()?;
        let (crm, crm_url) = crm(self.customers).await?;
        let bare = self.bare_loop(directory.path(), &crm_url).await?;
        let (shop, shop_url) = shop(self.latency).await?;
        let systems = systems(&crm_url, &shop_url);
        project(directory.path(), &systems)?;
        let environment = environment(self.namespace, directory.path(), &systems);
        self.pipeline(&environment, vec![crm, shop], bare).await
    }

    /// The time that the bare loop takes, with a shop of its own.
    async fn bare_loop(&self, directory: &Path, crm_url: &str) -> anyhow::Result<Duration> {
        let (_shop, shop_url) = shop(self.latency).await?;
        let project = project(directory, &systems(crm_url, &shop_url))?;
        let clients =
            SystemClients::new(&project, &Backends::embedded_beside(directory).await?.store)?;
        let bodies = bare::bodies(&project, &clients, FLOW).await?;
        bare::post(&project, &clients, FLOW, bodies).await
    }

    async fn pipeline(
        &self,
        environment: &[(&str, String)],
        sandboxes: Vec<MeasuredProcess>,
        bare: Duration,
    ) -> anyhow::Result<BenchReport> {
        let backends = self.namespace.open().await?;
        let mut processes = services(environment, self.loaders).await?;
        let services = processes.len();
        processes.extend(sandboxes);
        if self.outage {
            wait_for_the_system_that_is_down(&*backends.store).await?;
        }
        let (cpu, before, started) = (machine_cpu(), usages(&processes), Instant::now());
        let run = backends.store.request_run(&request(FLOW)).await?;
        let mut bar = RunProgressBar::new("pipeline");
        let mut events = |event: RunEvent<'_>| bar.show(event);
        let ended = follow::follow(&*backends.store, run, None, &mut events).await?;
        let (pipeline, machine) = (started.elapsed(), machine_cpu() - cpu);
        let used = |(process, before): (&MeasuredProcess, ProcessUsage)| {
            let after = process.usage();
            (
                process.name,
                ProcessUsage {
                    cpu: after.cpu - before.cpu,
                    ..after
                },
            )
        };
        let usage = processes.iter().zip(before).map(used).collect();
        ensure!(
            ended.error.is_none(),
            "the run failed: {}",
            ended.error.unwrap_or_default()
        );
        for process in processes.drain(..services) {
            process.end().await?;
        }
        Ok(BenchReport {
            records: ended.records,
            created: ended.count(Outcome::Created),
            pipeline,
            bare,
            processes: usage,
            machine,
        })
    }
}

fn request(flow: &str) -> RunRequest {
    RunRequest {
        flow: flow.into(),
        trigger: RunTrigger::Manual,
        since: None,
    }
}

/// Waits until all records for the system that is down have been read for a while: they are mapped
/// by then.
async fn wait_for_the_system_that_is_down(store: &dyn Store) -> anyhow::Result<()> {
    let run = store.request_run(&request(WAITING_FLOW)).await?;
    loop {
        let read_at = store
            .run(run)
            .await?
            .and_then(|summary| summary.extracted_at);
        let is_down = !store.outages(Outage::FORGOTTEN_AFTER).await?.is_empty();
        if is_down && read_at.is_some_and(|read_at| Timestamp::now() - WAITING_TIME >= read_at) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The environment of the services. It names the sandbox systems too: variables of this process,
/// which may name the systems of somebody's business, must not lead the services there.
fn environment(
    namespace: &PrivateNamespace,
    project: &Path,
    systems: &ExampleSystems,
) -> Vec<(&'static str, String)> {
    let servers = &namespace.servers;
    let settings = [
        ("POMOST_AMQP_URL", servers.amqp_url.expose_secret()),
        ("POMOST_DATABASE_URL", servers.database_url.expose_secret()),
        ("POMOST_NAMESPACE", &namespace.name),
        ("RUST_LOG", "warn"),
    ];
    let variables = settings.into_iter().chain(systems.variables());
    let ca = servers
        .database_ca
        .as_deref()
        .map(|ca| ("POMOST_DATABASE_CA", ca));
    let paths = [("POMOST_PROJECT", project)].into_iter().chain(ca);
    let paths = paths.map(|(name, path)| (name, path.display().to_string()));
    variables
        .map(|(name, value)| (name, value.to_owned()))
        .chain(paths)
        .collect()
}

/// Starts the services and waits until each is ready.
async fn services(
    environment: &[(&str, String)],
    loaders: usize,
) -> anyhow::Result<Vec<MeasuredProcess>> {
    let mut services = Vec::new();
    for name in ["extractor", "transformer"]
        .into_iter()
        .chain(std::iter::repeat_n("loader", loaders))
    {
        let address = free_address()?;
        let mut service = MeasuredProcess::service(name, environment, address)?;
        // A service serves its health as soon as the queues are declared.
        while TcpStream::connect(address).await.is_err() {
            service.still_runs()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        services.push(service);
    }
    Ok(services)
}

fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

async fn crm(customers: u32) -> anyhow::Result<(MeasuredProcess, String)> {
    MeasuredProcess::sandbox(
        "sandbox CRM",
        &["crm".into(), "--customers".into(), customers.to_string()],
    )
    .await
}

async fn shop(latency: Period) -> anyhow::Result<(MeasuredProcess, String)> {
    let latency = format!("{}ms", latency.0.as_millis());
    let arguments = ["shop", "--allow-duplicates", "--latency", &latency].map(str::to_owned);
    MeasuredProcess::sandbox("sandbox shop", &arguments).await
}

fn systems(crm_url: &str, shop_url: &str) -> ExampleSystems {
    ExampleSystems {
        crm_url: crm_url.to_owned(),
        crm_token: CrmOptions::default().token,
        shop_url: shop_url.to_owned(),
        shop_key: ShopOptions::default().key,
    }
}

/// Writes the example, without its schedule since the bench requests the run, and the flow that
/// waits.
fn project(directory: &Path, systems: &ExampleSystems) -> anyhow::Result<Project> {
    example::write(directory, systems)?;
    let flow = directory.join("flows/customers.yaml");
    let text = std::fs::read_to_string(&flow)?;
    let text = text.replace("  schedule: { every: 5m }\n", "");
    let waiting = text.replace("flow: customers\n", &format!("flow: {WAITING_FLOW}\n"));
    std::fs::write(
        directory.join("flows/waiting.yaml"),
        waiting.replace("system: shop\n", "system: away\n"),
    )?;
    std::fs::write(directory.join("systems/away.yaml"), AWAY_SYSTEM)?;
    std::fs::write(&flow, text)?;
    example::load(directory, systems).context("the example project")
}

fn usages(processes: &[MeasuredProcess]) -> Vec<ProcessUsage> {
    processes.iter().map(MeasuredProcess::usage).collect()
}
