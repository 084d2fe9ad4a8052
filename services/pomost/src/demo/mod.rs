//! The story that `pomost demo` tells. Everything that it says is also checked.

pub mod moment;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use pomost_http::SystemClients;
use pomost_models::{RunId, RunTrigger};
use pomost_operations::{
    follow::{self, RunEvent},
    letters::short_id,
    runs::RunReport,
};
use pomost_runtime::ServiceContext;
use pomost_sandbox::{Crm, CrmEdit, Shop, ShopOptions, verify};
use pomost_store::{DeadLetterFilter, RunRequest, Store};
use tempfile::TempDir;

use crate::{
    progress_bar::{self, RunProgressBar},
    table::TextTable,
};
use moment::{ChangeCounts, ShopMoment};

/// The flow of the example project.
pub const FLOW: &str = "customers";

/// Two sandbox systems, and the example project between them.
pub struct Demo {
    pub crm: Crm,
    pub shop: Shop,
    /// The project's directory.
    pub directory: TempDir,
    pub context: ServiceContext,
    pub clients: SystemClients,
    /// The namespace on the servers; none where the demo runs on the embedded backends.
    pub namespace: Option<String>,
}

impl Demo {
    /// Tells the story while the services run. An error where the shop was sent anything else than
    /// it had to be, or does not hold in the end what it must.
    pub async fn tell(&self) -> anyhow::Result<()> {
        say(&format!(
            "A sandbox CRM is at {}, a sandbox shop at {}.",
            self.crm.url(),
            self.shop.url()
        ));
        say("\n1. All customers cross from the CRM to the shop.");
        let crossed = self.sync(&ShopMoment::default()).await?;
        say("\n2. Nothing has changed: nothing is sent.");
        let unchanged = self.sync(&crossed).await?;
        let edit = CrmEdit {
            change: (20..45).collect(),
            archive: (50..55).collect(),
            add: 5,
            ..CrmEdit::default()
        };
        self.crm.edit(&edit);
        say("\n3. Some customers change, some are deleted, some are new: only these are sent.");
        self.sync(&unchanged).await?;
        say("\nWhat could not cross, and why:");
        self.show_dead_letters().await?;
        self.verify().await
    }

    /// Says how to look around while the demo is left running.
    pub fn invite(&self) {
        let project = self.directory.path().display();
        say(&format!(
            "\nStill running, until Ctrl-C. The project is in {project}; try:"
        ));
        if let Some(namespace) = &self.namespace {
            say("   # with POMOST_AMQP_URL and POMOST_DATABASE_URL set to the two URLs given here");
            say(&format!("   export POMOST_NAMESPACE={namespace}"));
        }
        say(&format!("   pomost status --project {project}"));
        say(&format!("   pomost dead list --project {project}"));
        say(&format!(
            "   curl -H 'X-Api-Key: {}' '{}/customers?limit=3'",
            ShopOptions::default().key,
            self.shop.url()
        ));
    }

    async fn sync(&self, before: &ShopMoment) -> anyhow::Result<ShopMoment> {
        let started = Instant::now();
        let request = RunRequest {
            flow: FLOW.into(),
            trigger: RunTrigger::Manual,
            since: None,
        };
        let run: RunId = self.store().request_run(&request).await?;
        let mut bar = RunProgressBar::new("   ");
        let mut events = |event: RunEvent<'_>| bar.show(event);
        let ended = follow::follow(self.store(), run, None, &mut events).await?;
        report(&ended, started.elapsed());
        if let Some(error) = ended.error {
            bail!("the run failed: {error}");
        }
        let now = ShopMoment {
            expected: self.crm.expected(),
            counts: self.shop.counts(),
        };
        let sent = ChangeCounts::sent(&before.counts, &now.counts);
        say(&format!("   the shop was sent {sent}"));
        let due = ChangeCounts::between(&before.expected, &now.expected);
        ensure!(sent == due, "the shop was to be sent {due}");
        Ok(now)
    }

    async fn show_dead_letters(&self) -> anyhow::Result<()> {
        let filter = DeadLetterFilter {
            limit: 1000,
            ..DeadLetterFilter::default()
        };
        let mut table = TextTable::new(["   ID", "CUSTOMER", "STAGE", "CLASS", "FIELD", "ERROR"]);
        for letter in self.store().dead_letters(&filter).await? {
            table.row([
                format!("   {}", short_id(&letter.id)),
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

    /// Compares the shop and the dead letters with what the sandbox computes that they must be.
    async fn verify(&self) -> anyhow::Result<()> {
        let expected = self.crm.expected();
        let filter = DeadLetterFilter {
            limit: u32::MAX,
            ..DeadLetterFilter::default()
        };
        let letters = self.store().dead_letters(&filter).await?;
        let dead: BTreeSet<&str> = letters.iter().map(|letter| letter.key()).collect();
        let missing: Vec<&str> = expected
            .dead
            .keys()
            .map(String::as_str)
            .filter(|key| !dead.contains(key))
            .collect();
        let differences = verify(&expected, &self.shop.snapshot())
            .err()
            .unwrap_or_default();
        if differences.is_empty() && missing.is_empty() {
            say(&format!(
                "\nVerified: the shop has exactly the {} customers it must have.",
                expected.present.len()
            ));
            say(NEXT);
            return Ok(());
        }
        for difference in &differences {
            say(&format!("   {difference}"));
        }
        for key in missing {
            say(&format!("   {key}: must be a dead letter and is none"));
        }
        bail!("the shop does not have what it must")
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

fn report(run: &RunReport, took: Duration) {
    let records = run.records;
    let rate = records as f64 / took.as_secs_f64();
    let outcomes = progress_bar::outcomes(run);
    say(&format!(
        "   {records} records in {:.2} s ({rate:.0}/s): {outcomes}",
        took.as_secs_f64()
    ));
}

#[expect(clippy::print_stdout, reason = "a command's data")]
fn say(text: &str) {
    println!("{text}");
}
