//! Connections to PostgreSQL databases, with TLS.

mod database;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

pub use database::{Database, Error, PoolSettings};

/// The text of an error with its causes, which are often those of the network or of TLS.
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
