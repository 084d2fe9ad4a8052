//! `pomost bench`

use std::{
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use pomost_http::Clients;
use pomost_models::{Outcome, Trigger};
use pomost_project::Project;
use pomost_runtime::Backends;
use pomost_sandbox::{CrmOptions, ShopOptions};
use pomost_store::RunRequest;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;

use crate::{
    bench::{
        bare,
        process::{Process, Usage, machine_cpu},
        report::Report,
    },
    example::{self, Systems},
    open, progress,
};

const FLOW: &str = "customers";

/// The arguments of `pomost bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many customers cross
    #[arg(long, default_value_t = 20_000)]
    customers: u32,
    /// The RabbitMQ to use
    #[arg(long, env = "POMOST_AMQP_URL", value_name = "AMQP_URL", hide_env_values = true)]
    broker: SecretString,
    /// The PostgreSQL to use
    #[arg(long, env = "POMOST_DATABASE_URL", value_name = "POSTGRES_URL", hide_env_values = true)]
    database: SecretString,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let directory = tempfile::Builder::new().prefix("pomost-bench-").tempdir()?;
    let (crm, crm_url) = crm(arguments.customers).await?;
    let bare = bare_loop(directory.path(), &crm_url).await?;
    let (shop, shop_url) = shop().await?;
    let project = project(directory.path(), &crm_url, &shop_url)?;
    let report = pipeline(&arguments, project, vec![crm, shop], bare).await?;
    report.print();
    Ok(ExitCode::SUCCESS)
}

/// How long the bare loop takes, to a shop of its own.
async fn bare_loop(directory: &Path, crm_url: &str) -> anyhow::Result<Duration> {
    let (_shop, shop_url) = shop().await?;
    let project = project(directory, crm_url, &shop_url)?;
    let clients = Clients::new(&project, &Backends::embedded_beside(directory).await?.store)?;
    let bodies = bare::bodies(&project, &clients, FLOW).await?;
    bare::post(&project, &clients, FLOW, bodies).await
}

async fn pipeline(
    arguments: &Arguments,
    project: Project,
    sandboxes: Vec<Process>,
    bare: Duration,
) -> anyhow::Result<Report> {
    let namespace = format!("pomost_bench_{}", std::process::id());
    let backends = Backends::servers(&arguments.broker, &arguments.database, &namespace).await?;
    let services = services(arguments, &project, &namespace).await?;
    let mut processes: Vec<Process> = services.into_iter().chain(sandboxes).collect();
    let (cpu, before, started) = (machine_cpu(), usages(&processes), Instant::now());
    let request = RunRequest { flow: FLOW.into(), trigger: Trigger::Manual, since: None };
    let run = backends.store.request_run(&request).await?;
    let summary = progress::follow(&*backends.store, run, "pipeline").await?;
    let (pipeline, machine) = (started.elapsed(), machine_cpu() - cpu);
    let used = |(process, before): (&Process, Usage)| {
        let after = process.usage();
        (process.name, Usage { cpu: after.cpu - before.cpu, ..after })
    };
    let usage = processes.iter().zip(before).map(used).collect();
    ensure!(summary.error.is_none(), "the run failed: {}", summary.error.unwrap_or_default());
    for process in processes.drain(..3) {
        process.end().await?;
    }
    let counts = &summary.counts;
    let created = counts.of(Outcome::Created);
    Ok(Report { records: counts.records, created, pipeline, bare, processes: usage, machine })
}

/// Starts the three services and waits until each is ready.
async fn services(arguments: &Arguments, project: &Project, namespace: &str) -> anyhow::Result<Vec<Process>> {
    let environment = |address: SocketAddr| {
        vec![
            ("POMOST_AMQP_URL", arguments.broker.expose_secret().to_owned()),
            ("POMOST_DATABASE_URL", arguments.database.expose_secret().to_owned()),
            ("POMOST_PROJECT", project.directory.display().to_string()),
            ("POMOST_NAMESPACE", namespace.to_owned()),
            ("POMOST_HTTP_ADDR", address.to_string()),
            ("RUST_LOG", "warn".to_owned()),
        ]
    };
    let mut services = Vec::new();
    for name in ["extractor", "transformer", "loader"] {
        let address = free_address()?;
        let service = Process::service(name, &environment(address))?;
        // Health is served when the queues are declared.
        while TcpStream::connect(address).await.is_err() {
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
    Process::sandbox("sandbox CRM", &["crm".into(), "--customers".into(), customers.to_string()]).await
}

async fn shop() -> anyhow::Result<(Process, String)> {
    Process::sandbox("sandbox shop", &["shop".into(), "--allow-duplicates".into()]).await
}

/// The example without its schedule: the bench says when it runs.
fn project(directory: &Path, crm_url: &str, shop_url: &str) -> anyhow::Result<Project> {
    let systems = Systems {
        crm_url: crm_url.to_owned(),
        crm_token: CrmOptions::default().token,
        shop_url: shop_url.to_owned(),
        shop_key: ShopOptions::default().key,
    };
    example::write(directory, &systems)?;
    let flow = directory.join("flows/customers.yaml");
    let text = std::fs::read_to_string(&flow)?;
    std::fs::write(&flow, text.replace("  schedule: { every: 5m }\n", ""))?;
    open::project(directory).context("the example project")
}

fn usages(processes: &[Process]) -> Vec<Usage> {
    processes.iter().map(Process::usage).collect()
}
