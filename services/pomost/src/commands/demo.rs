//! `pomost demo`: the whole of it, on two sandbox systems.

use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use pomost_extractor::Scheduling;
use pomost_http::Clients;
use pomost_models::{RunId, Trigger};
use pomost_runtime::{Backends, Context, shutdown};
use pomost_sandbox::{Crm, CrmOptions, Edit, Shop, ShopOptions, verify};
use pomost_store::{DeadLetterFilter, RunRequest, RunSummary, Store};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{
    example::{self, Systems},
    open, progress, runner,
    table::Table,
};

const FLOW: &str = "customers";

/// The arguments of `pomost demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many customers the CRM has
    #[arg(long, default_value_t = 1000)]
    customers: u32,
    /// Use this RabbitMQ instead of the embedded queues
    #[arg(long, value_name = "AMQP_URL", requires = "database")]
    broker: Option<SecretString>,
    /// Use this PostgreSQL instead of the embedded store
    #[arg(long, value_name = "POSTGRES_URL", requires = "broker")]
    database: Option<SecretString>,
    /// Leave everything running at the end, to explore
    #[arg(long)]
    keep: bool,
}

/// Runs the demo; the exit code says whether the shop has what it must.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    let demo = Demo::start(&arguments, shutdown.child_token()).await?;
    let services = tokio::spawn(runner::run(demo.context.clone(), demo.clients.clone(), Scheduling::Off));
    let told = demo.context.shutdown.run_until_cancelled(demo.tell()).await;
    if let (true, Some(Ok(_))) = (arguments.keep, &told) {
        demo.invite();
        shutdown.cancelled().await;
    }
    demo.context.shutdown.cancel();
    services.await??;
    match told {
        Some(told) => told,
        None => bail!("stopped before the end"),
    }
}

struct Demo {
    crm: Crm,
    shop: Shop,
    directory: tempfile::TempDir,
    context: Context,
    clients: Clients,
}

impl Demo {
    async fn start(arguments: &Arguments, shutdown: CancellationToken) -> anyhow::Result<Demo> {
        let crm = Crm::start(CrmOptions { customers: arguments.customers, ..CrmOptions::default() }).await?;
        let shop = Shop::start(ShopOptions::default()).await?;
        let directory = tempfile::Builder::new().prefix("pomost-demo-").tempdir()?;
        example::write(directory.path(), &systems(&crm, &shop))?;
        let project = Arc::new(open::project(directory.path())?);
        let backends = backends(arguments, directory.path()).await?;
        let clients = Clients::new(&project, &backends.store)?;
        let claim = open::settings(directory.path())?.claim();
        let context = Context { project, backends, claim, shutdown };
        Ok(Demo { crm, shop, directory, context, clients })
    }

    async fn tell(&self) -> anyhow::Result<ExitCode> {
        say(&format!("A sandbox CRM is at {}, a sandbox shop at {}.", self.crm.url(), self.shop.url()));
        say("\n1. All customers cross from the CRM to the shop.");
        self.sync().await?;
        say("\n2. Nothing has changed: nothing is sent.");
        self.sync().await?;
        let edit =
            Edit { change: (20..45).collect(), archive: (50..55).collect(), add: 5, ..Edit::default() };
        self.crm.edit(&edit);
        say("\n3. 25 customers change, 5 are deleted and 5 are new: only these are sent.");
        self.sync().await?;
        say("\nWhat could not cross, and why:");
        self.show_dead_letters().await?;
        self.verify().await
    }

    async fn sync(&self) -> anyhow::Result<()> {
        let (store, before, started) = (self.store(), self.shop.counts(), Instant::now());
        let request = RunRequest { flow: FLOW.into(), trigger: Trigger::Manual, since: None };
        let run: RunId = store.request_run(&request).await?;
        let summary = progress::follow(store, run, "   ").await?;
        self.report(&summary, started.elapsed());
        let after = self.shop.counts();
        let [created, updated, deleted] =
            [after.created - before.created, after.updated - before.updated, after.deleted - before.deleted];
        say(&format!("   the shop was sent {created} creates, {updated} updates and {deleted} deletes"));
        match summary.error {
            Some(error) => bail!("the run failed: {error}"),
            None => Ok(()),
        }
    }

    fn report(&self, summary: &RunSummary, took: Duration) {
        let records = summary.counts.records;
        let rate = records as f64 / took.as_secs_f64();
        let outcomes = progress::in_words(&summary.counts);
        say(&format!("   {records} records in {:.2} s ({rate:.0}/s): {outcomes}", took.as_secs_f64()));
    }

    async fn show_dead_letters(&self) -> anyhow::Result<()> {
        let filter = DeadLetterFilter { limit: 1000, ..DeadLetterFilter::default() };
        let mut table = Table::new(["   ID", "CUSTOMER", "STAGE", "CLASS", "FIELD", "ERROR"]);
        for letter in self.store().dead_letters(&filter).await? {
            table.row([
                format!("   {}", letter.id),
                letter.key().into(),
                letter.stage.to_string(),
                letter.reason.as_str().into(),
                letter.pointer.clone().unwrap_or_default(),
                letter.error.clone(),
            ]);
        }
        table.print();
        Ok(())
    }

    /// Compares the shop, and the dead letters, with what a second opinion says they must be.
    async fn verify(&self) -> anyhow::Result<ExitCode> {
        let expected = self.crm.expected();
        let filter = DeadLetterFilter { limit: u32::MAX, ..DeadLetterFilter::default() };
        let letters = self.store().dead_letters(&filter).await?;
        let dead: std::collections::BTreeSet<&str> = letters.iter().map(|letter| letter.key()).collect();
        let missing: Vec<&str> =
            expected.dead.keys().map(String::as_str).filter(|key| !dead.contains(key)).collect();
        let differences = verify(&expected, &self.shop.snapshot()).err().unwrap_or_default();
        if differences.is_empty() && missing.is_empty() {
            say(&format!(
                "\nVerified: the shop has exactly the {} customers it must have.",
                expected.present.len()
            ));
            say(NEXT);
            return Ok(ExitCode::SUCCESS);
        }
        for difference in &differences {
            say(&format!("   {difference}"));
        }
        for key in missing {
            say(&format!("   {key}: must be a dead letter and is none"));
        }
        bail!("the shop does not have what it must")
    }

    fn invite(&self) {
        let project = self.directory.path().display();
        say(&format!("\nStill running, until Ctrl-C. The project is in {project}; try:"));
        say(&format!("   pomost status --project {project}"));
        say(&format!("   pomost dead list --project {project}"));
        say(&format!(
            "   curl -H 'X-Api-Key: {}' '{}/customers?limit=3'",
            ShopOptions::default().key,
            self.shop.url()
        ));
    }

    fn store(&self) -> &dyn Store {
        self.context.store()
    }
}

const NEXT: &str = "
Next:
   pomost demo --keep       the same, left running to explore
   pomost init my-project   a small commented project to start from
   pomost --help            everything else";

fn systems(crm: &Crm, shop: &Shop) -> Systems {
    Systems {
        crm_url: crm.url(),
        crm_token: CrmOptions::default().token,
        shop_url: shop.url(),
        shop_key: ShopOptions::default().key,
    }
}

/// On shared servers the demo has a namespace of its own each time: the shop is a new one, and a
/// ledger from before would say that it has everything.
async fn backends(arguments: &Arguments, directory: &Path) -> anyhow::Result<Backends> {
    match (&arguments.broker, &arguments.database) {
        (Some(broker), Some(database)) => {
            let namespace = format!("pomost_demo_{}", std::process::id());
            Backends::servers(broker, database, &namespace).await.context("opening the servers")
        }
        _ => Ok(Backends::embedded(directory).await?),
    }
}

#[expect(clippy::print_stdout, reason = "a command's data")]
fn say(text: &str) {
    println!("{text}");
}
