//! A share of the servers for the time of one command.

use pomost_runtime::{Backends, backends};
use secrecy::SecretString;
use uuid::Uuid;

/// A namespace on a RabbitMQ and a PostgreSQL that nobody else has.
pub struct OwnNamespace<'a> {
    /// Its name.
    pub name: String,
    /// The RabbitMQ.
    pub amqp: &'a SecretString,
    /// The PostgreSQL.
    pub database: &'a SecretString,
}

impl<'a> OwnNamespace<'a> {
    /// Makes a name up. By chance, since in containers every process may have the same id.
    pub fn new(prefix: &str, amqp: &'a SecretString, database: &'a SecretString) -> OwnNamespace<'a> {
        OwnNamespace { name: format!("{prefix}_{}", Uuid::new_v4().simple()), amqp, database }
    }

    /// Connects to both servers.
    pub async fn open(&self) -> Result<Backends, backends::Error> {
        Backends::servers(self.amqp, self.database, &self.name).await
    }

    /// Removes everything of it from the servers; for when nobody works on it any more.
    pub async fn remove(&self, flow: &str) -> Result<(), backends::Error> {
        Backends::remove(self.amqp, self.database, &self.name, &[flow.to_owned()]).await
    }
}
