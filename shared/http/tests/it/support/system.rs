//! A project with one system to call.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use http::{HeaderMap, Method};
use pomost_http::{
    ClientOptions, Failure, ManualClock, OutgoingRequest, SendPermit, SystemClient, SystemClients,
};
use pomost_project::{Project, environment::Environment};
use pomost_store::{Store, sqlite::SqliteStore};
use tempfile::TempDir;

/// A system's file, in the making.
#[derive(Clone)]
pub(crate) struct SystemFile {
    base_url: String,
    lines: String,
    variables: BTreeMap<String, String>,
}

impl SystemFile {
    pub(crate) fn at(base_url: &str) -> SystemFile {
        SystemFile {
            base_url: base_url.to_owned(),
            lines: String::new(),
            variables: BTreeMap::new(),
        }
    }

    /// Adds lines to it.
    pub(crate) fn with(mut self, lines: &str) -> SystemFile {
        self.lines = format!("{}{lines}\n", self.lines);
        self
    }

    /// Sets what `${NAME}` stands for.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> SystemFile {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    pub(crate) fn project(&self) -> Project {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write(
            "systems/shop.yaml",
            &format!("system: shop\nbase_url: {}\n{}", self.base_url, self.lines),
        );
        write("flows/things.yaml", FLOW);
        let environment = Environment::of(directory.path(), self.variables.clone());
        Project::load(directory.path(), &environment)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Returns all clients of the project: there is one.
    pub(crate) fn clients(&self, store: &Arc<dyn Store>) -> SystemClients {
        SystemClients::new(&self.project(), store).unwrap()
    }

    /// Returns the system's client, as one more process would have it.
    pub(crate) fn client(&self, store: &Arc<dyn Store>) -> SystemClient {
        self.clients(store).of("shop").unwrap().clone()
    }

    /// Returns the system's client with other options than usual.
    pub(crate) fn client_with(
        &self,
        store: &Arc<dyn Store>,
        options: &ClientOptions,
    ) -> SystemClient {
        let clients = SystemClients::with_options(&self.project(), store, options).unwrap();
        clients.of("shop").unwrap().clone()
    }

    /// Returns the system's client with a store of its own.
    pub(crate) async fn lone(&self) -> LoneClient {
        self.lone_with(&ClientOptions::default()).await
    }

    /// Sends a request to a URL of the system through a client of its own, and returns the failure.
    pub(crate) async fn failure_at(&self, url: &str) -> Failure {
        self.lone().await.send(things(url)).await.unwrap_err()
    }

    pub(crate) async fn lone_with(&self, options: &ClientOptions) -> LoneClient {
        let directory = tempfile::tempdir().unwrap();
        let client = self.client_with(&store(directory.path()).await, options);
        LoneClient {
            client,
            _directory: directory,
        }
    }
}

/// Returns options by which a client's time is a test's.
pub(crate) fn by(clock: &ManualClock) -> ClientOptions {
    ClientOptions {
        clock: clock.clone().into(),
        ..ClientOptions::default()
    }
}

/// A client with a store of its own.
pub(crate) struct LoneClient {
    client: SystemClient,
    _directory: TempDir,
}

impl std::ops::Deref for LoneClient {
    type Target = SystemClient;

    fn deref(&self) -> &SystemClient {
        &self.client
    }
}

async fn store(directory: &Path) -> Arc<dyn Store> {
    Arc::new(
        SqliteStore::open(&directory.join("state.db"))
            .await
            .unwrap(),
    )
}

/// Makes the request `GET /things`.
pub(crate) fn things(server: &str) -> OutgoingRequest<'static> {
    OutgoingRequest {
        method: Method::GET,
        url: format!("{server}/things").parse().unwrap(),
        label: "GET /things",
        headers: HeaderMap::new(),
        body: None,
        answers: &[],
        format: None,
        needs_body: true,
        permit: SendPermit::default(),
    }
}

const FLOW: &str = "
flow: things
extract: { system: shop, request: GET /things, records: '.[]', key: .id }
load:
  system: shop
  create: { request: POST /things, id: .id }
  update: { request: 'PUT /things/{$id}' }
";
