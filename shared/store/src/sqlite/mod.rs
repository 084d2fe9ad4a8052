//! The store in one SQLite file, for the processes of one machine.

mod alerts;
mod changes;
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
mod standing_letters;
mod values;
mod version_order;

use std::path::Path;

use async_trait::async_trait;
use pomost_sqlite::Database;
use rusqlite::{Connection, Transaction};

use crate::{Error, Health, Result};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// A store in one SQLite file. Clones share its connections.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens the file, creating it and its directory where they are missing, and brings its tables
    /// up to date.
    pub async fn open(path: &Path) -> Result<SqliteStore> {
        let migrations = embedded::migrations::runner();
        Ok(SqliteStore {
            database: Database::open_with(path, migrations, version_order::define).await?,
        })
    }

    /// Ends every lease and every claim; keys that were claimed are then in doubt. Only the process
    /// that holds the project's lock may do so, when it starts: the earlier holders are dead.
    pub async fn expire_claims_and_leases(&self) -> Result<()> {
        self.write(|transaction| {
            ledger::expire_claims(transaction)?;
            parked::expire_claims(transaction)?;
            leases::expire(transaction)
        })
        .await
    }

    /// Runs `work` in a transaction and commits it.
    async fn write<T, Work>(&self, work: Work) -> Result<T>
    where
        T: Send + 'static,
        Work: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        Ok(self.database.write(work).await?)
    }

    /// Runs `work` on one consistent state of the database.
    async fn read<T, Work>(&self, work: Work) -> Result<T>
    where
        T: Send + 'static,
        Work: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Ok(self.database.read(work).await?)
    }
}

#[async_trait]
impl Health for SqliteStore {
    async fn ping(&self) -> Result<()> {
        self.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())))
            .await
    }
}

impl From<pomost_sqlite::Error> for Error {
    fn from(error: pomost_sqlite::Error) -> Error {
        match error {
            pomost_sqlite::Error::Unavailable { place, reason } => {
                Error::Unavailable { place, reason }
            }
            error @ pomost_sqlite::Error::Migrations { .. } => Error::Unreadable(error.to_string()),
        }
    }
}
