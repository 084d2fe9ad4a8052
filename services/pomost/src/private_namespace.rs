//! A namespace on shared servers for the time of one command.

use pomost_runtime::{
    Backends,
    backends::{self, Servers},
};
use uuid::Uuid;

/// A namespace on a RabbitMQ and a PostgreSQL that no other process uses.
pub struct PrivateNamespace {
    pub name: String,
    pub servers: Servers,
}

impl PrivateNamespace {
    /// Makes up a name. It is random, since in containers every process may have the same id.
    pub fn new(prefix: &str, servers: Servers) -> PrivateNamespace {
        PrivateNamespace {
            name: format!("{prefix}_{}", Uuid::new_v4().simple()),
            servers,
        }
    }

    /// Connects to both servers.
    pub async fn open(&self) -> Result<Backends, backends::Error> {
        Backends::servers(&self.servers, &self.name).await
    }

    /// Removes the namespace, with the queues of these flows, from both servers. No process may
    /// work on it any more.
    pub async fn remove(&self, flows: &[&str]) -> Result<(), backends::Error> {
        let flows: Vec<String> = flows.iter().map(|flow| (*flow).to_owned()).collect();
        Backends::remove(&self.servers, &self.name, &flows).await
    }
}
