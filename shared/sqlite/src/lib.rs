//! The embedded database: opens, migrates and locks its files.
//!
//! [`Database`] is one file that many tasks and several processes may use at the same time;
//! [`ProjectLock`] allows one process at a time to work on a project.

mod database;
mod lock;

pub use database::{Database, Error};
pub use lock::{LockError, ProjectLock};
