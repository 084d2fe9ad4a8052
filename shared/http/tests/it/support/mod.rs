//! The support of the tests: servers, stores, and a project with one system.

mod authority;
mod server;
mod stores;
mod system;

pub(crate) use authority::{Authority, Fault};
pub(crate) use server::{Reply, Seen, Server};
pub(crate) use stores::{Place, on_both, on_postgres};
pub(crate) use system::{SystemFile, by, things};
