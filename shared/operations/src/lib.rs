//! The operations on a project: looking at runs, requesting and following them, listing, replaying
//! and discarding dead letters, showing and setting cursors, and lifting holds on systems.
//!
//! Nothing here prints. Every result is a typed value that can be serialised, with sensitive values
//! masked, and what takes long tells its progress by typed events. The command line prints both;
//! another front end may send them.
//!
//! Reading order: [`open`] (the project and its backends), [`runs`] and [`follow`], [`letters`] and
//! [`replay`], [`cursors`], [`systems`].

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
