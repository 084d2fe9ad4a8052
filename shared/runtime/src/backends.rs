//! The broker and the store of a process.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use pomost_broker::{Broker, rabbitmq::RabbitMq, sqlite::SqliteBroker};
use pomost_sqlite::{LockError, ProjectLock};
use pomost_store::{Store, postgres::PostgresStore, sqlite::SqliteStore};
use secrecy::{ExposeSecret, SecretString};

use crate::Settings;

/// The broker and the store of a process. Clones share both.
#[derive(Clone)]
pub struct Backends {
    pub broker: Arc<dyn Broker>,
    pub store: Arc<dyn Store>,
    /// The lock of the one process that may run an embedded project; released with the last clone.
    _lock: Option<Arc<ProjectLock>>,
}

/// The servers that processes share.
#[derive(Debug, Clone)]
pub struct Servers {
    pub amqp_url: SecretString,
    pub database_url: SecretString,
    /// A file with the certificates, as PEM, that have to vouch for the certificate of the
    /// PostgreSQL.
    pub database_ca: Option<PathBuf>,
}

impl Servers {
    fn certificates(&self) -> Result<Option<String>, Error> {
        let Some(path) = &self.database_ca else {
            return Ok(None);
        };
        let read = std::fs::read_to_string(path).map(Some);
        read.map_err(|source| Error::Certificates {
            path: path.clone(),
            source,
        })
    }
}

/// The reason for which the backends could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Only one of the two URLs is set.
    #[error(
        "{set} is set and {missing} is not: set both for RabbitMQ and PostgreSQL, or neither for the embedded default"
    )]
    OneOfTwo {
        /// The variable that is set.
        set: &'static str,
        /// The variable that is not set.
        missing: &'static str,
    },
    /// A service was started without servers to share.
    #[error(
        "POMOST_AMQP_URL and POMOST_DATABASE_URL are not set; a service needs both (for one machine without servers there is `pomost run`)"
    )]
    NoServers,
    /// The database's certificates cannot be read.
    #[error("cannot read POMOST_DATABASE_CA={}: {source}", .path.display())]
    Certificates {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Another process runs the same embedded project.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
}

impl Error {
    /// The process that runs the embedded project already, where that is the reason: `process
    /// 1234`.
    pub fn holder(&self) -> Option<&str> {
        match self {
            Error::Locked(LockError::InUse { holder, .. }) => Some(holder),
            _ => None,
        }
    }

    /// True when the same may work later: for a server that is away, but not for a setting that is
    /// wrong.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Error::Broker(pomost_broker::Error::Unavailable { .. })
                | Error::Store(pomost_store::Error::Unavailable { .. })
        )
    }
}

impl Backends {
    /// Opens RabbitMQ and PostgreSQL where both URLs are set, otherwise the embedded backends, for
    /// running services.
    pub async fn open(settings: &Settings) -> Result<Backends, Error> {
        match settings.servers()? {
            Some(servers) => Backends::servers(&servers, &settings.namespace).await,
            None => Backends::embedded(&settings.project).await,
        }
    }

    /// Connects to RabbitMQ and PostgreSQL.
    pub async fn servers(servers: &Servers, namespace: &str) -> Result<Backends, Error> {
        let (database, ca) = (
            servers.database_url.expose_secret(),
            servers.certificates()?,
        );
        let store = PostgresStore::connect(database, ca.as_deref(), namespace).await?;
        let broker = RabbitMq::connect(servers.amqp_url.expose_secret(), namespace).await?;
        Ok(Backends {
            broker: Arc::new(broker),
            store: Arc::new(store),
            _lock: None,
        })
    }

    /// Removes everything of a namespace from the servers: the tables, the exchanges, and the
    /// queues of these flows with their messages.
    pub async fn remove(servers: &Servers, namespace: &str, flows: &[String]) -> Result<(), Error> {
        let (database, ca) = (
            servers.database_url.expose_secret(),
            servers.certificates()?,
        );
        PostgresStore::remove(database, ca.as_deref(), namespace).await?;
        let broker = RabbitMq::connect(servers.amqp_url.expose_secret(), namespace).await?;
        Ok(broker.delete_everything(flows).await?)
    }

    /// Opens the embedded broker and store of a project, for the one process that runs the project.
    pub async fn embedded(project: &Path) -> Result<Backends, Error> {
        let directory = embedded_directory(project);
        let lock = ProjectLock::acquire(&directory)?;
        let store = SqliteStore::open(&directory.join("state.db")).await?;
        let broker = SqliteBroker::open(&directory.join("queues.db")).await?;
        // This process has the lock, so the process that held claims, leases and messages before is
        // dead.
        store.expire_claims_and_leases().await?;
        broker.release_everything().await?;
        Ok(Backends {
            broker: Arc::new(broker),
            store: Arc::new(store),
            _lock: Some(Arc::new(lock)),
        })
    }

    /// Opens the embedded broker and store of a project that another process may be running: for
    /// looking at it, and for handing it work.
    pub async fn embedded_beside(project: &Path) -> Result<Backends, Error> {
        let directory = embedded_directory(project);
        let store = SqliteStore::open(&directory.join("state.db")).await?;
        let broker = SqliteBroker::open(&directory.join("queues.db")).await?;
        Ok(Backends {
            broker: Arc::new(broker),
            store: Arc::new(store),
            _lock: None,
        })
    }
}

impl Settings {
    /// The two servers; none where neither URL is set.
    pub fn servers(&self) -> Result<Option<Servers>, Error> {
        let one_of_two = |set, missing| Err(Error::OneOfTwo { set, missing });
        match (self.amqp_url.clone(), self.database_url.clone()) {
            (Some(amqp_url), Some(database_url)) => Ok(Some(Servers {
                amqp_url,
                database_url,
                database_ca: self.database_ca.clone(),
            })),
            (None, None) => Ok(None),
            (Some(_), None) => one_of_two("POMOST_AMQP_URL", "POMOST_DATABASE_URL"),
            (None, Some(_)) => one_of_two("POMOST_DATABASE_URL", "POMOST_AMQP_URL"),
        }
    }
}

fn embedded_directory(project: &Path) -> PathBuf {
    project.join(".pomost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waiting does not help, unlike for a server that is away.
    #[tokio::test]
    async fn certificates_that_are_not_there_are_a_wrong_setting() {
        let url = || SecretString::from("postgres://127.0.0.1:1/nowhere");
        let servers = Servers {
            amqp_url: url(),
            database_url: url(),
            database_ca: Some("/nowhere/ca.pem".into()),
        };
        let Err(error) = Backends::servers(&servers, "pomost").await else {
            panic!("it connected")
        };
        assert!(!error.may_pass());
        assert!(
            error
                .to_string()
                .starts_with("cannot read POMOST_DATABASE_CA=/nowhere/ca.pem"),
            "{error}"
        );
    }
}
