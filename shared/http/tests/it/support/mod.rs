//! The support of the tests: servers, stores, and a project with one system.

mod authority;
mod stores;
mod system;

pub(crate) use authority::{Authority, Fault};
pub(crate) use pomost_testkit::{FakeServer, ReceivedRequest, Reply};
pub(crate) use stores::{Place, on_both, on_postgres};
pub(crate) use system::{SystemFile, by, things};
