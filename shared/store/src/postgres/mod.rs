//! The store on PostgreSQL, shared by any number of processes.

mod alerts;
mod changes;
mod connection;
mod cursors;
mod dead_letters;
mod deliveries;
mod grants;
mod leases;
mod ledger;
mod outages;
mod parked;
mod parts;
mod rate_slots;
mod replays;
mod runs;
mod source_keys;
mod text;

use async_trait::async_trait;

use crate::{Health, Result};
use connection::Connections;

/// A store in one schema of a PostgreSQL database. Clones share their connections.
///
/// Nearly every call is one statement, and so one round trip and one transaction.
#[derive(Clone)]
pub struct PostgresStore {
    connections: Connections,
}

impl PostgresStore {
    /// Connects to the database at `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`) and brings
    /// the tables in the schema `namespace` up to date, creating it where it is missing. Several
    /// processes may do so at once. No error repeats the URL.
    ///
    /// The URL's `sslmode` decides on TLS: `disable`, `require`, or `prefer`, which is the default
    /// and does without TLS where the server offers none. With `require` the server's certificate
    /// is verified, and with `prefer` where `ca` is given. `ca` holds certificates as PEM; one of
    /// them must have signed the server's, instead of one that the platform trusts.
    pub async fn connect(url: &str, ca: Option<&str>, namespace: &str) -> Result<PostgresStore> {
        Ok(PostgresStore {
            connections: Connections::open(url, ca, namespace).await?,
        })
    }

    /// Drops the schema `namespace` with all that is in it, where it exists.
    pub async fn remove(url: &str, ca: Option<&str>, namespace: &str) -> Result<()> {
        Connections::drop_schema(url, ca, namespace).await
    }
}

#[async_trait]
impl Health for PostgresStore {
    async fn ping(&self) -> Result<()> {
        self.connections.execute("SELECT 1", &[]).await.map(drop)
    }
}
