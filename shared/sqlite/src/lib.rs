//! The embedded database: how its files are opened, locked and migrated.
//!
//! [`Database`] is one file that many tasks and several processes may use at the same time;
//! [`ProjectLock`] is what lets only one process at a time work on a project.

mod database;
mod lock;

pub use database::{Database, Error};
pub use lock::{LockError, ProjectLock};
