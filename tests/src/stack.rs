//! The services between a CRM and a shop.

use std::{path::Path, sync::Arc};

use pomost::example::{self, ExampleSystems};
use pomost_broker::{SqliteBroker, testing::address_of_our_own};
use pomost_models::{DeadLetter, RunId, RunTrigger};
use pomost_sandbox::{
    Crm, CrmOptions, Fault, FaultAction, FaultPlan, FaultTiming, Shop, ShopOptions,
};
use pomost_store::{
    DeadLetterFilter, RunRequest, RunState, RunSummary, Store, postgres::PostgresStore,
    sqlite::SqliteStore,
};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Namespace, Proxy, Service, binary, eventually, namespace::test_url};

/// The flow of the example project.
pub const FLOW: &str = "customers";

/// Duration of claims and leases in seconds. It is short, since tests wait for the end of those of
/// services that were killed.
const CLAIM_SECONDS: u32 = 1;

/// The folder in a project where `pomost run` keeps its files.
const EMBEDDED: &str = ".pomost";

/// The properties of a stack.
#[derive(Default)]
pub struct StackOptions {
    /// Number of customers in the CRM.
    pub customers: u32,
    /// The broker, where it is not the usual one for tests.
    pub amqp_url: Option<String>,
    /// The database, where it is not the usual one for tests.
    pub database: Option<String>,
    /// The way of the services to the database, where it is not the direct one.
    pub database_url: Option<String>,
    /// `pomost run` on its embedded broker and store, instead of the three services on servers.
    pub embedded: bool,
    /// More variables of the services' environment.
    pub environment: Vec<(&'static str, String)>,
    /// More lines of the flow's `extract`.
    pub extract: &'static str,
    /// Further changes of the project's files: the file, a text in it, and its replacement.
    pub edits: &'static [(&'static str, &'static str, &'static str)],
    /// The token that the CRM accepts; the sandbox's own where it is empty.
    pub crm_token: String,
    /// The key that the shop accepts; the sandbox's own where it is empty.
    pub shop_key: String,
    /// True where the services reach the shop through [`Stack::shop_wire`].
    pub shop_wire: bool,
}

/// A CRM, a shop and the three services between them. The flow has no schedule: it runs when a test
/// requests a run. The shop makes two customers of a create that comes twice, so that the test
/// notices.
pub struct Stack {
    /// The source.
    pub crm: Crm,
    /// The destination.
    pub shop: Shop,
    pub extractor: Service,
    pub transformer: Service,
    pub loader: Service,
    /// `pomost run`, which an embedded stack runs instead of the three services.
    pub all_in_one: Service,
    /// The store of the services, by connections of the test's own.
    pub store: Arc<dyn Store>,
    /// Its part of the servers.
    pub namespace: Namespace,
    shop_wire: Option<Proxy>,
    /// The queues of an embedded stack.
    embedded: Option<SqliteBroker>,
    environment: Vec<(String, String)>,
    directory: TempDir,
}

impl Stack {
    /// Prepares everything; the services do not run yet.
    pub(crate) async fn prepare(options: StackOptions) -> Stack {
        let amqp_url = options
            .amqp_url
            .unwrap_or_else(|| test_url("POMOST_TEST_AMQP_URL"));
        let database = options
            .database
            .unwrap_or_else(|| test_url("POMOST_TEST_DATABASE_URL"));
        let namespace = Namespace::new(amqp_url, database);
        let (crm, shop, mut systems) =
            sandbox(options.customers, options.crm_token, options.shop_key).await;
        let shop_wire = match options.shop_wire {
            true => Some(Proxy::start(&shop.url(), 80).await),
            false => None,
        };
        if let Some(wire) = &shop_wire {
            systems.shop_url = wire.url(&shop.url());
        }
        let directory = tempfile::tempdir().unwrap();
        write_project(directory.path(), &systems, options.extract, options.edits);
        let mut environment = environment(directory.path());
        if !options.embedded {
            environment.extend(namespace.environment(options.database_url.as_deref()));
        }
        environment.extend(
            options
                .environment
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let (store, embedded) =
            store_and_queues(&namespace, options.embedded, directory.path()).await;
        let service = |name| Service::new(name, environment.clone(), directory.path().to_owned());
        let [extractor, transformer, loader] = ["extractor", "transformer", "loader"].map(service);
        let all_in_one = service("pomost")
            .with_arguments(&["run"])
            .surviving_a_full_disk();
        Stack {
            crm,
            shop,
            extractor,
            transformer,
            loader,
            all_in_one,
            store,
            namespace,
            shop_wire,
            embedded,
            environment,
            directory,
        }
    }

    /// The connection of the services to the shop, where the options ask for one that a test
    /// controls.
    pub fn shop_wire(&mut self) -> &mut Proxy {
        let wire = self.shop_wire.as_mut();
        wire.expect("the options ask for a wire to the shop")
    }

    /// The three services, or the one process that runs all of them.
    pub fn services(&mut self) -> Vec<&mut Service> {
        match self.embedded {
            None => vec![&mut self.extractor, &mut self.transformer, &mut self.loader],
            Some(_) => vec![&mut self.all_in_one],
        }
    }

    /// One of its services.
    pub fn service(&mut self, name: &str) -> &mut Service {
        let service = self
            .services()
            .into_iter()
            .find(|service| service.name == name);
        service.unwrap_or_else(|| panic!("the stack has no {name}"))
    }

    /// Starts those services that do not run, and waits until all are ready.
    pub async fn start_services(&mut self) {
        for service in self
            .services()
            .into_iter()
            .filter(|service| !service.is_running())
        {
            service.start();
        }
        for service in self.services() {
            service.ready().await;
        }
    }

    /// Requests a run of the flow.
    pub async fn request_run(&self) -> RunId {
        let request = RunRequest {
            flow: FLOW.into(),
            trigger: RunTrigger::Manual,
            since: None,
        };
        self.store.request_run(&request).await.unwrap()
    }

    /// Waits until so many runs have been requested.
    pub async fn requested(&self, runs: usize) {
        eventually(async || match self.store.runs(Some(FLOW), 100).await {
            Ok(requested) if requested.len() >= runs => Ok(()),
            Ok(requested) => Err(format!("{} of {runs} runs requested", requested.len())),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    /// Waits until a run has been read to its end.
    pub async fn extracted(&self, run: RunId) {
        eventually(async || match self.run(run).await?.extracted_at {
            Some(_) => Ok(()),
            None => Err("not read to its end".to_owned()),
        })
        .await;
    }

    /// Waits until every record of a run has settled.
    pub async fn settled(&self, run: RunId) -> RunSummary {
        eventually(async || {
            let summary = self.run(run).await?;
            assert_ne!(summary.state, RunState::Failed, "{:?}", summary.error);
            match summary.state {
                RunState::Settled => Ok(summary),
                state => Err(format!("{} with {:?}", state.as_str(), summary.counts)),
            }
        })
        .await
    }

    /// The state of a run, or the error of a store that is away.
    pub async fn run(&self, run: RunId) -> Result<RunSummary, String> {
        let summary = self
            .store
            .run(run)
            .await
            .map_err(|error| error.to_string())?;
        Ok(summary.expect("the run was requested"))
    }

    /// Waits until the shop has created so many customers.
    pub async fn created(&self, customers: u64) {
        eventually(async || match self.shop.counts().created {
            created if created >= customers => Ok(()),
            created => Err(format!("{created} of {customers} customers created")),
        })
        .await;
    }

    /// Waits until the shop has carried out so many requests that change something.
    pub async fn written(&self, requests: u64) {
        eventually(async || match self.shop.counts() {
            counts if counts.created + counts.updated + counts.deleted >= requests => Ok(()),
            counts => Err(format!("{counts:?}, of {requests} writes")),
        })
        .await;
    }

    /// All open dead letters.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let filter = DeadLetterFilter {
            limit: u32::MAX,
            ..DeadLetterFilter::default()
        };
        self.store.dead_letters(&filter).await.unwrap()
    }

    /// Another process of a service, beside the first; not started yet.
    pub fn another(&self, name: &'static str) -> Service {
        let logs = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        Service::new(name, self.environment.clone(), logs)
    }

    /// Runs the command line, which must succeed; returns what it prints on both outputs.
    pub async fn pomost(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binary("pomost"));
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.args(arguments).output().await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert!(
            output.status.success(),
            "pomost {arguments:?} ended with {}: {printed}",
            output.status
        );
        printed
    }

    /// Waits until all queues are empty and ends the services, which must leave with exit code 0
    /// and nothing in hand. Copies of messages may have been made when something was killed; after
    /// this they have been handled.
    pub async fn finish(&mut self) {
        loop {
            self.start_services().await;
            eventually(async || match self.count_messages().await {
                Ok(0) => Ok(()),
                other => Err(format!("{other:?} messages in the queues")),
            })
            .await;
            for service in self.services() {
                let ended = service.terminate().await;
                assert!(
                    ended.status.success(),
                    "{} ended with {ended:?}",
                    service.name
                );
            }
            if self.count_messages().await.unwrap() == 0 {
                return;
            }
        }
    }

    /// Number of messages in its queues, delayed and dead ones too.
    pub async fn count_messages(&self) -> Result<u32, String> {
        match &self.embedded {
            Some(broker) => broker
                .count_messages()
                .await
                .map_err(|error| error.to_string()),
            None => self
                .namespace
                .count_messages()
                .await
                .map_err(|error| error.to_string()),
        }
    }

    /// Removes its part of the servers.
    pub(crate) async fn delete(&self) -> Result<(), String> {
        match self.embedded {
            Some(_) => Ok(()),
            None => self.namespace.delete().await,
        }
    }

    /// The end of each log and the directory of the rest, for a test that failed. The directory
    /// stays.
    pub(crate) fn describe_for_failure(&mut self) -> String {
        self.directory.disable_cleanup(true);
        const LINES: usize = 60;
        let last = |service: &mut Service| {
            let log = service.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
            format!("--- {} ---\n{end}\n", service.name)
        };
        let words: String = self.services().into_iter().map(last).collect();
        format!(
            "{words}The logs and the project are in {}",
            self.directory.path().display()
        )
    }
}

/// Faults of a CRM that gives so many pages and is not ready for more: a run stays unfinished until
/// the faults are replaced.
pub fn pages_and_no_more(pages: u64) -> FaultPlan {
    let given = Fault::new(FaultTiming::Next(pages), FaultAction::Late { ms: 0 });
    let not_ready = FaultAction::Answer {
        status: 503,
        retry_after: Some("1".to_owned()),
    };
    FaultPlan {
        delay_ms: 0,
        faults: vec![given, Fault::new(FaultTiming::Always, not_ready)],
    }
}

async fn sandbox(
    customers: u32,
    crm_token: String,
    shop_key: String,
) -> (Crm, Shop, ExampleSystems) {
    let mut crm = CrmOptions {
        customers,
        address: address_of_our_own(8080),
        ..CrmOptions::default()
    };
    let mut shop = ShopOptions {
        allow_duplicates: true,
        address: address_of_our_own(8080),
        ..ShopOptions::default()
    };
    if !crm_token.is_empty() {
        crm.token = crm_token;
    }
    if !shop_key.is_empty() {
        shop.key = shop_key;
    }
    let (crm_token, shop_key) = (crm.token.clone(), shop.key.clone());
    let (crm, shop) = (
        Crm::start(crm).await.unwrap(),
        Shop::start(shop).await.unwrap(),
    );
    let systems = ExampleSystems {
        crm_url: crm.url(),
        crm_token,
        shop_url: shop.url(),
        shop_key,
    };
    (crm, shop, systems)
}

/// Opens the store, and the queues of an embedded stack.
async fn store_and_queues(
    namespace: &Namespace,
    embedded: bool,
    project: &Path,
) -> (Arc<dyn Store>, Option<SqliteBroker>) {
    if !embedded {
        let store = PostgresStore::connect(&namespace.database_url, None, &namespace.name)
            .await
            .unwrap();
        return (Arc::new(store), None);
    }
    let files = project.join(EMBEDDED);
    let store = SqliteStore::open(&files.join("state.db")).await.unwrap();
    (
        Arc::new(store),
        Some(SqliteBroker::open(&files.join("queues.db")).await.unwrap()),
    )
}

fn write_project(
    directory: &Path,
    systems: &ExampleSystems,
    extract: &str,
    edits: &[(&str, &str, &str)],
) {
    example::write(directory, systems).unwrap();
    edit(
        directory,
        "flows/customers.yaml",
        "  schedule: { every: 5m }\n",
        extract,
    );
    // A request of a loader that died is in doubt for this time.
    edit(
        directory,
        "systems/shop.yaml",
        "timeout: 30s",
        "timeout: 5s",
    );
    edits
        .iter()
        .for_each(|(file, before, after)| edit(directory, file, before, after));
}

fn edit(directory: &Path, file: &str, before: &str, after: &str) {
    let path = directory.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains(before),
        "the example's {file} has no '{before}'"
    );
    std::fs::write(path, text.replace(before, after)).unwrap();
}

fn environment(project: &Path) -> Vec<(String, String)> {
    [
        ("POMOST_PROJECT", project.display().to_string()),
        ("POMOST_HTTP_ADDR", "127.0.0.1:0".into()),
        ("POMOST_CLAIM_SECONDS", CLAIM_SECONDS.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
