//! Settings from the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

/// The settings of a process, each from the environment variable of its name with `POMOST_` before
/// it. The standard `OTEL_*` and `RUST_LOG` are read beside them.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// `POMOST_AMQP_URL`: RabbitMQ, `amqp://user:password@host:5672/vhost`.
    pub amqp_url: Option<SecretString>,
    /// `POMOST_DATABASE_URL`: PostgreSQL, `postgres://user:password@host:5432/database`.
    pub database_url: Option<SecretString>,
    /// `POMOST_DATABASE_CA`: a file with the certificates, as PEM, that have to vouch for the
    /// database's certificate, instead of those that the platform trusts.
    pub database_ca: Option<PathBuf>,
    /// `POMOST_PROJECT`: the project's directory.
    #[serde(default = "current_directory")]
    pub project: PathBuf,
    /// `POMOST_HTTP_ADDR`: the address on which `/healthz`, `/readyz` and `/metrics` are served.
    #[serde(default = "http_addr")]
    pub http_addr: SocketAddr,
    /// `POMOST_WEBHOOK_ADDR`: the address to which sources deliver for the flows that have
    /// webhooks. Without it no delivery is taken.
    pub webhook_addr: Option<SocketAddr>,
    /// `POMOST_NAMESPACE`: the prefix of queues and the schema of tables, so that several
    /// installations can share a broker and a database.
    #[serde(default = "namespace")]
    pub namespace: String,
    /// `POMOST_CLAIM_SECONDS`: the seconds for which a worker that has gone silent keeps its
    /// records from others.
    #[serde(default = "claim_seconds")]
    pub claim_seconds: u32,
}

impl Settings {
    /// Reads the environment. The error names the variable that is wrong.
    pub fn from_environment() -> Result<Settings, envy::Error> {
        envy::prefixed("POMOST_").from_env()
    }

    /// The time for which a claim or a lease holds without being renewed.
    pub fn claim_ttl(&self) -> Duration {
        Duration::from_secs(self.claim_seconds.max(1).into())
    }
}

fn current_directory() -> PathBuf {
    ".".into()
}

fn http_addr() -> SocketAddr {
    ([127, 0, 0, 1], 8080).into()
}

fn namespace() -> String {
    "pomost".into()
}

fn claim_seconds() -> u32 {
    30
}
