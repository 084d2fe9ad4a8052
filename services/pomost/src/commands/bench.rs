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
use pomost_project::Project;
use pomost_runtime::{Backends, backends::Servers, shutdown};
use pomost_sandbox::{CrmOptions, ShopOptions};
use pomost_store::{Outage, RunRequest, Store};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;

use crate::{
    bench::{
        bare,
        process::{Process, Usage, machine_cpu},
        report::Report,
    },
    example::{self, Systems},
    own_namespace::OwnNamespace,
    progress,
};

const FLOW: &str = "customers";

/// The same customers once more, to a system where nobody is.
const WAITING_FLOW: &str = "waiting";
/// How long they wait before others are measured beside them.
const WAITING: SignedDuration = SignedDuration::from_secs(15);

const AWAY: &str = "system: away\nbase_url: http://127.0.0.1:1\n";

/// The arguments of `pomost bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many customers cross
    #[arg(long, default_value_t = 20_000)]
    customers: u32,
    /// How many loaders there are
    #[arg(long, default_value = "1")]
    loaders: NonZeroU8,
    /// How long each answer of the shop takes: 20ms, for example
    #[arg(long, default_value = "0ms")]
    latency: Period,
    /// Have the same customers wait beside them for a system that is down
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
    /// The certificates that the PostgreSQL's own has to come from, as PEM
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
    let servers = OwnNamespace::new("pomost_bench", servers);
    let bench = Bench {
        customers,
        loaders: loaders.get().into(),
        latency,
        outage,
        servers: &servers,
    };
    let measured = shutdown.run_until_cancelled(bench.measure()).await;
    let removed = servers
        .remove(&[FLOW, WAITING_FLOW])
        .await
        .context("removing the bench from the servers");
    measured.context("stopped before the end")??.print();
    removed?;
    Ok(ExitCode::SUCCESS)
}

/// What is to be measured.
struct Bench<'a> {
    customers: u32,
    loaders: usize,
    latency: Period,
    outage: bool,
    servers: &'a OwnNamespace,
}

impl Bench<'_> {
    async fn measure(&self) -> anyhow::Result<Report> {
        let directory = tempfile::Builder::new().prefix("pomost-bench-").tempdir()?;
        let (crm, crm_url) = crm(self.customers).await?;
        let bare = self.bare_loop(directory.path(), &crm_url).await?;
        let (shop, shop_url) = shop(self.latency).await?;
        let systems = systems(&crm_url, &shop_url);
        project(directory.path(), &systems)?;
        let environment = environment(self.servers, directory.path(), &systems);
        self.pipeline(&environment, vec![crm, shop], bare).await
    }

    /// How long the bare loop takes, to a shop of its own.
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
        sandboxes: Vec<Process>,
        bare: Duration,
    ) -> anyhow::Result<Report> {
        let backends = self.servers.open().await?;
        let mut processes = services(environment, self.loaders).await?;
        let services = processes.len();
        processes.extend(sandboxes);
        if self.outage {
            wait_for_the_system_that_is_down(&*backends.store).await?;
        }
        let (cpu, before, started) = (machine_cpu(), usages(&processes), Instant::now());
        let run = backends.store.request_run(&request(FLOW)).await?;
        let summary = progress::follow(&*backends.store, run, "pipeline", None).await?;
        let (pipeline, machine) = (started.elapsed(), machine_cpu() - cpu);
        let used = |(process, before): (&Process, Usage)| {
            let after = process.usage();
            (
                process.name,
                Usage {
                    cpu: after.cpu - before.cpu,
                    ..after
                },
            )
        };
        let usage = processes.iter().zip(before).map(used).collect();
        ensure!(
            summary.error.is_none(),
            "the run failed: {}",
            summary.error.unwrap_or_default()
        );
        for process in processes.drain(..services) {
            process.end().await?;
        }
        let counts = &summary.counts;
        let created = counts.count(Outcome::Created);
        Ok(Report {
            records: counts.records,
            created,
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

/// Returns once the system has been down for a while after all that is for it was read: that is mapped by then.
async fn wait_for_the_system_that_is_down(store: &dyn Store) -> anyhow::Result<()> {
    let run = store.request_run(&request(WAITING_FLOW)).await?;
    loop {
        let read_at = store
            .run(run)
            .await?
            .and_then(|summary| summary.extracted_at);
        let is_down = !store.outages(Outage::FORGOTTEN_AFTER).await?.is_empty();
        if is_down && read_at.is_some_and(|read_at| Timestamp::now() - WAITING >= read_at) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the services are told. The systems as well: what this process is told of its own must not
/// lead them to somebody's business.
fn environment(
    servers: &OwnNamespace,
    project: &Path,
    systems: &Systems,
) -> Vec<(&'static str, String)> {
    let settings = [
        ("POMOST_AMQP_URL", servers.servers.amqp_url.expose_secret()),
        (
            "POMOST_DATABASE_URL",
            servers.servers.database_url.expose_secret(),
        ),
        ("POMOST_NAMESPACE", &servers.name),
        ("RUST_LOG", "warn"),
    ];
    let told = settings.into_iter().chain(systems.variables());
    let ca = servers
        .servers
        .database_ca
        .as_deref()
        .map(|ca| ("POMOST_DATABASE_CA", ca));
    let paths = [("POMOST_PROJECT", project)].into_iter().chain(ca);
    let paths = paths.map(|(name, path)| (name, path.display().to_string()));
    told.map(|(name, value)| (name, value.to_owned()))
        .chain(paths)
        .collect()
}

/// Starts the services and waits until each is ready.
async fn services(environment: &[(&str, String)], loaders: usize) -> anyhow::Result<Vec<Process>> {
    let mut services = Vec::new();
    for name in ["extractor", "transformer"]
        .into_iter()
        .chain(std::iter::repeat_n("loader", loaders))
    {
        let address = free_address()?;
        let mut service = Process::service(name, environment, address)?;
        // Health is served when the queues are declared.
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

async fn crm(customers: u32) -> anyhow::Result<(Process, String)> {
    Process::sandbox(
        "sandbox CRM",
        &["crm".into(), "--customers".into(), customers.to_string()],
    )
    .await
}

async fn shop(latency: Period) -> anyhow::Result<(Process, String)> {
    let latency = format!("{}ms", latency.0.as_millis());
    let arguments = ["shop", "--allow-duplicates", "--latency", &latency].map(str::to_owned);
    Process::sandbox("sandbox shop", &arguments).await
}

fn systems(crm_url: &str, shop_url: &str) -> Systems {
    Systems {
        crm_url: crm_url.to_owned(),
        crm_token: CrmOptions::default().token,
        shop_url: shop_url.to_owned(),
        shop_key: ShopOptions::default().key,
    }
}

/// The example without its schedule: the bench says when it runs. And the flow that waits.
fn project(directory: &Path, systems: &Systems) -> anyhow::Result<Project> {
    example::write(directory, systems)?;
    let flow = directory.join("flows/customers.yaml");
    let text = std::fs::read_to_string(&flow)?;
    let text = text.replace("  schedule: { every: 5m }\n", "");
    let waiting = text.replace("flow: customers\n", &format!("flow: {WAITING_FLOW}\n"));
    std::fs::write(
        directory.join("flows/waiting.yaml"),
        waiting.replace("system: shop\n", "system: away\n"),
    )?;
    std::fs::write(directory.join("systems/away.yaml"), AWAY)?;
    std::fs::write(&flow, text)?;
    example::load(directory, systems).context("the example project")
}

fn usages(processes: &[Process]) -> Vec<Usage> {
    processes.iter().map(Process::usage).collect()
}
