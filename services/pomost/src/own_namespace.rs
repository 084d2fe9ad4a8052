//! A share of the servers for the time of one command.

use pomost_runtime::{
    Backends,
    backends::{self, Servers},
};
use uuid::Uuid;

/// A namespace on a RabbitMQ and a PostgreSQL that nobody else has.
pub struct OwnNamespace {
    /// Its name.
    pub name: String,
    /// The servers.
    pub servers: Servers,
}

impl OwnNamespace {
    /// Makes a name up. By chance, since in containers every process may have the same id.
    pub fn new(prefix: &str, servers: Servers) -> OwnNamespace {
        OwnNamespace {
            name: format!("{prefix}_{}", Uuid::new_v4().simple()),
            servers,
        }
    }

    /// Connects to both servers.
    pub async fn open(&self) -> Result<Backends, backends::Error> {
        Backends::servers(&self.servers, &self.name).await
    }

    /// Removes everything of it and of these flows from the servers; for when nobody works on it any more.
    pub async fn remove(&self, flows: &[&str]) -> Result<(), backends::Error> {
        let flows: Vec<String> = flows.iter().map(|flow| (*flow).to_owned()).collect();
        Backends::remove(&self.servers, &self.name, &flows).await
    }
}
