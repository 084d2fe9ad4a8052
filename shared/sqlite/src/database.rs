//! One database file: many readers and one writer at a time.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use deadpool_sqlite::{
    Config, Connection as PooledConnection, Hook, HookError, InteractError, Pool, PoolConfig,
    Runtime,
};
use refinery::Runner;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Number of reading connections. Readers see the last committed state and never wait, so a few
/// serve many tasks.
const READERS: usize = 4;

const STATEMENT_CACHE_SIZE: usize = 64;

/// Settings of every connection. FULL makes a commit survive a power cut. A connection waits 10
/// seconds for the transactions of other processes; for those of this process see
/// [`Database::write`].
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = OFF;
    PRAGMA journal_size_limit = 67108864;";

/// Defines the SQL functions that the statements on a connection use.
type DefineFunctions = fn(&Connection) -> rusqlite::Result<()>;

/// A SQLite file. Clones share its connections.
///
/// Other processes may have the same file open. Drop the last clone inside a Tokio runtime, which
/// closes the connections.
#[derive(Clone)]
pub struct Database {
    place: String,
    writer: Pool,
    readers: Pool,
}

impl Database {
    /// Opens the file, creating it and its directory where they are missing, and brings its tables
    /// up to date. Several processes may do so at once.
    pub async fn open(path: &Path, migrations: Runner) -> Result<Database, Error> {
        Database::open_with(path, migrations, |_| Ok(())).await
    }

    /// Opens the file as [`Database::open`] does, and defines SQL functions on each connection.
    pub async fn open_with(
        path: &Path,
        migrations: Runner,
        define_functions: DefineFunctions,
    ) -> Result<Database, Error> {
        let place = path.display().to_string();
        create_directory_of(path).map_err(|error| Error::unavailable(&place, error))?;
        let pool = |size, pragmas| {
            pool(path, size, pragmas, define_functions)
                .map_err(|error| Error::unavailable(&place, error))
        };
        let (writer, readers) = (pool(1, "")?, pool(READERS, "PRAGMA query_only = ON;")?);
        let database = Database {
            place,
            writer,
            readers,
        };
        database.migrate(path, migrations).await?;
        Ok(database)
    }

    /// The path of the file, as errors name it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs `work` in a transaction and commits it; an error or a panic rolls it back. Writers of
    /// this process use one connection, in the order in which they called.
    pub async fn write<T, Work>(&self, work: Work) -> Result<T, Error>
    where
        T: Send + 'static,
        Work: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run_transaction(&self.writer, TransactionBehavior::Immediate, work)
            .await
    }

    /// Runs `work` on one consistent state of the database. It cannot write.
    pub async fn read<T, Work>(&self, work: Work) -> Result<T, Error>
    where
        T: Send + 'static,
        Work: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run_transaction(
            &self.readers,
            TransactionBehavior::Deferred,
            |transaction| work(transaction),
        )
        .await
    }

    async fn run_transaction<T, Work>(
        &self,
        pool: &Pool,
        behavior: TransactionBehavior,
        work: Work,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        Work: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let run = move |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let connection = self.connection(pool).await?;
        connection
            .interact(run)
            .await
            .map_err(|error| self.interrupted(error))?
            .map_err(|error: rusqlite::Error| Error::unavailable(&self.place, error))
    }

    async fn migrate(&self, path: &Path, migrations: Runner) -> Result<(), Error> {
        let lock_path = migration_lock_path(path);
        let waiting = tokio::task::spawn_blocking(move || wait_for_lock(&lock_path));
        let lock = waiting.await.map_err(io::Error::other).flatten();
        let lock = lock.map_err(|error| Error::unavailable(&self.place, error))?;
        // The first connection to a new file switches it to write-ahead logging. SQLite refuses
        // that to a second connection without waiting, so the first is opened under the lock.
        let connection = self.connection(&self.writer).await?;
        let migrated = connection
            .interact(move |connection| {
                migrations
                    .run(connection)
                    .map_err(|error| error.to_string())
            })
            .await
            .map_err(|error| self.interrupted(error))?;
        drop(lock);
        migrated.map(drop).map_err(|reason| Error::Migrations {
            place: self.place.clone(),
            reason,
        })
    }

    async fn connection(&self, pool: &Pool) -> Result<PooledConnection, Error> {
        pool.get()
            .await
            .map_err(|error| Error::unavailable(&self.place, error))
    }

    /// The error for work that did not finish. The pool discards a connection on which something
    /// panicked.
    fn interrupted(&self, error: InteractError) -> Error {
        let reason = match error {
            InteractError::Panic(_) => "the work on it panicked; it was rolled back",
            InteractError::Cancelled => "it is being closed",
        };
        Error::unavailable(&self.place, reason)
    }
}

/// The reason for which a call to the database failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened, or a statement failed.
    #[error("the database {place} does not answer: {reason}")]
    Unavailable {
        /// Path of the file.
        place: String,
        reason: String,
    },
    /// The tables cannot be brought up to date.
    #[error(
        "the tables of the database {place} cannot be brought up to date: {reason}; \
         if a newer version of Pomost has used it, use that version"
    )]
    Migrations {
        /// Path of the file.
        place: String,
        reason: String,
    },
}

impl Error {
    fn unavailable(place: &str, reason: impl ToString) -> Error {
        Error::Unavailable {
            place: place.to_owned(),
            reason: reason.to_string(),
        }
    }
}

fn create_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

fn pool(
    path: &Path,
    size: usize,
    more_pragmas: &'static str,
    define_functions: DefineFunctions,
) -> Result<Pool, impl ToString> {
    let config = Config {
        path: path.to_owned(),
        pool: Some(PoolConfig::new(size)),
    };
    let Ok(builder) = config.builder(Runtime::Tokio1);
    builder
        .post_create(Hook::async_fn(move |connection, _| {
            Box::pin(async move {
                let set_up = connection
                    .interact(move |connection| {
                        set_up(connection, more_pragmas)?;
                        define_functions(connection)
                    })
                    .await;
                set_up
                    .map_err(|error| HookError::message(error.to_string()))?
                    .map_err(HookError::Backend)
            })
        }))
        .build()
}

fn set_up(connection: &mut Connection, more_pragmas: &str) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE_SIZE);
    connection.execute_batch(PRAGMAS)?;
    connection.execute_batch(more_pragmas)
}

/// The file that is locked while migrations run. They read first and write later, in transactions
/// of their own, so two processes that start together would both find a migration missing. The
/// database file itself must not be locked: when any handle on it is closed, this process loses
/// SQLite's own locks.
fn migration_lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-migration");
    PathBuf::from(name)
}

fn wait_for_lock(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.lock()?;
    Ok(file)
}
