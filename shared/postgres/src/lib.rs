//! PostgreSQL databases: how they are connected to, and what secures the connections.

mod database;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

pub use database::{Database, Error, PoolSettings};

/// An error with its causes, which say what the network and TLS had to do with it.
pub fn with_causes(error: &tokio_postgres::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    texts.join(": ")
}
