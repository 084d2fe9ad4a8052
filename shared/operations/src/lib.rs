//! What operators do with a project that runs, or that ran: look at runs, request and follow them, look at dead
//! letters, replay or discard them, show and set cursors, and lift holds on systems.
//!
//! Nothing here prints. Every result is a typed value that can be serialised, with sensitive values masked, and what
//! takes long tells its progress by typed events. The command line prints both; another front end may send them.
//!
//! Reading order: [`open`] (the project and its backends), [`runs`] and [`follow`], [`letters`] and [`replay`],
//! [`cursors`], [`systems`].

pub mod cursors;
mod error;
pub mod follow;
pub mod letters;
pub mod open;
pub mod replay;
pub mod runs;
pub mod systems;
mod waiting;

pub use error::Error;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;
