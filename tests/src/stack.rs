//! Everything between a CRM and a shop.

use std::path::Path;

use pomost::example::{self, Systems};
use pomost_models::{DeadLetter, RunId, Trigger};
use pomost_sandbox::{Crm, CrmOptions, Shop, ShopOptions};
use pomost_store::{DeadLetterFilter, RunRequest, RunState, RunSummary, Store, postgres::PostgresStore};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Namespace, Service, binary, eventually, namespace::test_url};

/// The flow of the example project.
pub const FLOW: &str = "customers";

/// A dead worker's records come to others after so long: short, so that tests are.
const CLAIM_SECONDS: u32 = 1;

/// What a stack is to be like.
#[derive(Default)]
pub struct Options {
    /// How many customers the CRM has.
    pub customers: u32,
    /// A broker other than the one for tests.
    pub amqp_url: Option<String>,
    /// A way to the database other than the direct one.
    pub database_url: Option<String>,
    /// More of the services' environment.
    pub environment: Vec<(&'static str, String)>,
    /// More lines of the flow's `extract`.
    pub extract: &'static str,
    /// What the CRM lets in; the sandbox's own where it is empty.
    pub crm_token: String,
    /// What the shop lets in; the sandbox's own where it is empty.
    pub shop_key: String,
}

/// A CRM, a shop and the three services, which run, between them. The flow has no schedule: it runs
/// when a test says so. The shop takes what is sent twice as two customers, so that it shows.
pub struct Stack {
    /// Where records come from.
    pub crm: Crm,
    /// Where they go.
    pub shop: Shop,
    /// Reads the CRM.
    pub extractor: Service,
    /// Maps.
    pub transformer: Service,
    /// Writes to the shop.
    pub loader: Service,
    /// What the services remember, seen through connections of the test's own.
    pub store: PostgresStore,
    /// Its share of the servers.
    pub namespace: Namespace,
    environment: Vec<(String, String)>,
    directory: TempDir,
}

impl Stack {
    /// Prepares it all; the services do not run yet.
    pub(crate) async fn prepare(options: Options) -> Stack {
        let amqp_url = options.amqp_url.unwrap_or_else(|| test_url("POMOST_TEST_AMQP_URL"));
        let database_url = test_url("POMOST_TEST_DATABASE_URL");
        let services_url = options.database_url.as_ref().unwrap_or(&database_url);
        let namespace = Namespace::new(amqp_url, services_url);
        let (crm, shop, systems) = sandbox(options.customers, options.crm_token, options.shop_key).await;
        let directory = tempfile::tempdir().unwrap();
        write_project(directory.path(), &systems, options.extract);
        let mut environment = environment(&namespace, directory.path());
        environment.extend(options.environment.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let store = PostgresStore::connect(&database_url, None, &namespace.name).await.unwrap();
        let service = |name| Service::new(name, environment.clone(), directory.path().to_owned());
        let [extractor, transformer, loader] = ["extractor", "transformer", "loader"].map(service);
        Stack { crm, shop, extractor, transformer, loader, store, namespace, environment, directory }
    }

    /// The three services.
    pub fn services(&mut self) -> [&mut Service; 3] {
        [&mut self.extractor, &mut self.transformer, &mut self.loader]
    }

    /// Starts those services that do not run, and waits until all are ready.
    pub async fn start_services(&mut self) {
        for service in self.services().into_iter().filter(|service| !service.is_running()) {
            service.start();
        }
        for service in self.services() {
            service.ready().await;
        }
    }

    /// Asks for a run of the flow.
    pub async fn request_run(&self) -> RunId {
        let request = RunRequest { flow: FLOW.into(), trigger: Trigger::Manual, since: None };
        self.store.request_run(&request).await.unwrap()
    }

    /// Waits until a run has been read to its end.
    pub async fn extracted(&self, run: RunId) {
        eventually(async || match self.store.run(run).await.unwrap().unwrap().extracted_at {
            Some(_) => Ok(()),
            None => Err("not read to its end"),
        })
        .await;
    }

    /// Waits until every record of a run has settled.
    pub async fn settled(&self, run: RunId) -> RunSummary {
        eventually(async || {
            let summary = self.store.run(run).await.unwrap().unwrap();
            assert_ne!(summary.state, RunState::Failed, "{:?}", summary.error);
            match summary.state {
                RunState::Settled => Ok(summary),
                state => Err(format!("{} with {:?}", state.as_str(), summary.counts)),
            }
        })
        .await
    }

    /// Waits until the shop has created so many customers.
    pub async fn created(&self, customers: u64) {
        eventually(async || match self.shop.counts().created {
            created if created >= customers => Ok(()),
            created => Err(format!("{created} of {customers} customers created")),
        })
        .await;
    }

    /// All open dead letters.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let filter = DeadLetterFilter { limit: u32::MAX, ..DeadLetterFilter::default() };
        self.store.dead_letters(&filter).await.unwrap()
    }

    /// Another process of a service, beside the first; not started yet.
    pub fn another(&self, name: &'static str) -> Service {
        let logs = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        Service::new(name, self.environment.clone(), logs)
    }

    /// What the command line prints, on both outputs, for arguments that it must succeed with.
    pub async fn pomost(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binary("pomost"));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.args(arguments).output().await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert!(output.status.success(), "pomost {arguments:?} ended with {}: {printed}", output.status);
        printed
    }

    /// Lets all messages be dealt with and the services end, as one that is told to must: with exit
    /// code 0 and nothing left in hand. Copies of messages may have been made when something was
    /// killed; after this they have done what harm they can.
    pub async fn finish(&mut self) {
        loop {
            self.start_services().await;
            eventually(async || match self.namespace.messages().await {
                Ok(0) => Ok(()),
                other => Err(format!("{other:?} messages in the queues")),
            })
            .await;
            for service in self.services() {
                let ended = service.terminate().await;
                assert!(ended.status.success(), "{} ended with {ended:?}", service.name);
            }
            if self.namespace.messages().await.unwrap() == 0 {
                return;
            }
        }
    }

    /// The end of what each process has said, for a test that failed.
    pub(crate) fn last_words(&mut self) -> String {
        const LINES: usize = 60;
        let last = |service: &mut Service| {
            let log = service.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
            format!("--- {} ---\n{end}\n", service.name)
        };
        self.services().map(last).concat()
    }
}

async fn sandbox(customers: u32, crm_token: String, shop_key: String) -> (Crm, Shop, Systems) {
    let mut crm = CrmOptions { customers, ..CrmOptions::default() };
    let mut shop = ShopOptions { allow_duplicates: true, ..ShopOptions::default() };
    if !crm_token.is_empty() {
        crm.token = crm_token;
    }
    if !shop_key.is_empty() {
        shop.key = shop_key;
    }
    let (crm_token, shop_key) = (crm.token.clone(), shop.key.clone());
    let (crm, shop) = (Crm::start(crm).await.unwrap(), Shop::start(shop).await.unwrap());
    let systems = Systems { crm_url: crm.url(), crm_token, shop_url: shop.url(), shop_key };
    (crm, shop, systems)
}

fn write_project(directory: &Path, systems: &Systems, extract: &str) {
    example::write(directory, systems).unwrap();
    let flow = directory.join("flows/customers.yaml");
    let text = std::fs::read_to_string(&flow).unwrap();
    let unscheduled = text.replace("  schedule: { every: 5m }\n", extract);
    assert_ne!(text, unscheduled, "the example's flow has another schedule than this takes out");
    std::fs::write(flow, unscheduled).unwrap();
}

fn environment(namespace: &Namespace, project: &Path) -> Vec<(String, String)> {
    [
        ("POMOST_AMQP_URL", namespace.amqp_url.clone()),
        ("POMOST_DATABASE_URL", namespace.database_url.clone()),
        ("POMOST_NAMESPACE", namespace.name.clone()),
        ("POMOST_PROJECT", project.display().to_string()),
        ("POMOST_HTTP_ADDR", "127.0.0.1:0".into()),
        ("POMOST_CLAIM_SECONDS", CLAIM_SECONDS.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
