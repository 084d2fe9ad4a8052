//! The errors of reading a source.

use pomost_http::Failure;
use pomost_runtime::worker::HandlerError;

/// An error that ends the reading of a run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source or the flow is at fault, and another attempt would end in the same way.
    #[error("{0}")]
    Permanent(String),
    /// A request to the source failed.
    #[error(transparent)]
    Request(#[from] Failure),
    /// The store failed, or another replica extracts the flow now.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
}

impl From<HandlerError> for Error {
    fn from(error: HandlerError) -> Error {
        match error {
            HandlerError::Broker(error) => error.into(),
            HandlerError::Store(error) => error.into(),
        }
    }
}
