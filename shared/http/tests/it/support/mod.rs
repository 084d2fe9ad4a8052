//! What the tests stand on.

mod authority;
mod stores;
mod system;

pub(crate) use authority::{Authority, Fault};
pub(crate) use pomost_testkit::{FakeServer, ReceivedRequest, Reply};
pub(crate) use stores::{Place, on_both, on_postgres};
pub(crate) use system::{SystemFile, things};
