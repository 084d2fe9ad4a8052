//! `pomost demo`: everything that Pomost does, on two sandbox systems.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use pomost_extractor::Scheduling;
use pomost_http::SystemClients;
use pomost_operations::open;
use pomost_runtime::{Backends, ServiceContext, backends::Servers, shutdown};
use pomost_sandbox::{Crm, CrmOptions, Shop, ShopOptions};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{
    demo::{Demo, FLOW},
    example::{self, ExampleSystems},
    private_namespace::PrivateNamespace,
    runner,
};

/// The arguments of `pomost demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Number of customers in the CRM
    #[arg(long, default_value_t = 1000)]
    customers: u32,
    /// Use this RabbitMQ instead of the embedded queues
    #[arg(long, value_name = "AMQP_URL", requires = "database")]
    broker: Option<SecretString>,
    /// Use this PostgreSQL instead of the embedded store
    #[arg(long, value_name = "POSTGRES_URL", requires = "broker")]
    database: Option<SecretString>,
    /// A file with the certificates, as PEM, that vouch for the PostgreSQL's own
    #[arg(long, env = "POMOST_DATABASE_CA", value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// Leave everything running at the end, to explore
    #[arg(long)]
    keep: bool,
}

impl Arguments {
    fn servers(&self) -> Option<Servers> {
        let (amqp_url, database_url) = self.broker.clone().zip(self.database.clone())?;
        Some(Servers {
            amqp_url,
            database_url,
            database_ca: self.database_ca.clone(),
        })
    }
}

const STOPPED: &str = "stopped before the end";

/// Runs the demo; the exit code says whether the shop has what it must. Nothing of it stays on the
/// servers: the shop is a new one each time, and a ledger from before would say that it has
/// everything.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    let namespace = arguments
        .servers()
        .map(|servers| PrivateNamespace::new("pomost_demo", servers));
    let running = async {
        let told = tell(&arguments, namespace.as_ref(), &shutdown).await;
        told.and(match &namespace {
            Some(namespace) => namespace
                .remove(&[FLOW])
                .await
                .context("removing the demo from the servers"),
            None => Ok(()),
        })
    };
    let ended = shutdown::in_time(&shutdown, running).await;
    ended.context(STOPPED)??;
    Ok(ExitCode::SUCCESS)
}

async fn tell(
    arguments: &Arguments,
    namespace: Option<&PrivateNamespace>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let starting = start(arguments, namespace, shutdown.child_token());
    let Some(demo) = shutdown.run_until_cancelled(starting).await else {
        bail!(STOPPED);
    };
    let demo = demo?;
    let services = tokio::spawn(runner::run(
        demo.context.clone(),
        demo.clients.clone(),
        Scheduling::Off,
    ));
    let told = demo.context.shutdown.run_until_cancelled(demo.tell()).await;
    if let (true, Some(Ok(()))) = (arguments.keep, &told) {
        demo.invite();
        shutdown.cancelled().await;
    }
    demo.context.shutdown.cancel();
    services.await??;
    told.context(STOPPED)?
}

async fn start(
    arguments: &Arguments,
    namespace: Option<&PrivateNamespace>,
    shutdown: CancellationToken,
) -> anyhow::Result<Demo> {
    let crm = Crm::start(CrmOptions {
        customers: arguments.customers,
        ..CrmOptions::default()
    })
    .await?;
    let shop = Shop::start(ShopOptions::default()).await?;
    let directory = tempfile::Builder::new().prefix("pomost-demo-").tempdir()?;
    let systems = systems(&crm, &shop);
    example::write(directory.path(), &systems)?;
    let project = Arc::new(example::load(directory.path(), &systems)?);
    let backends = match namespace {
        Some(namespace) => namespace.open().await.context("opening the servers")?,
        None => Backends::embedded(directory.path()).await?,
    };
    let clients = SystemClients::new(&project, &backends.store)?;
    let claim_ttl = open::settings(directory.path())?.claim_ttl();
    let context = ServiceContext {
        project,
        backends,
        claim_ttl,
        shutdown,
    };
    context.declare().await?;
    let namespace = namespace.map(|namespace| namespace.name.clone());
    Ok(Demo {
        crm,
        shop,
        directory,
        context,
        clients,
        namespace,
    })
}

fn systems(crm: &Crm, shop: &Shop) -> ExampleSystems {
    ExampleSystems {
        crm_url: crm.url(),
        crm_token: CrmOptions::default().token,
        shop_url: shop.url(),
        shop_key: ShopOptions::default().key,
    }
}
