//! Two small business systems to try Pomost on: a CRM full of Polish customers as clerks typed
//! them, and a shop that takes only customers that are right.
//!
//! [`Crm`] and [`Shop`] are HTTP servers for one process and loopback. They keep everything in
//! memory, do the same for the same options each time, and stop when dropped. [`expected`] works
//! out the state that the shop must have after a sync, and [`verify`] compares it with the shop's.

mod crm;
mod customer;
mod dice;
mod expected;
mod fault;
mod flat_document;
mod gate;
mod generate;
mod messy;
mod names;
mod server;
mod shop;
mod verify;

pub use crm::{Crm, CrmEdit, CrmOptions, run_crm};
pub use customer::{CompanyDetails, Customer, CustomerOrder, PostalAddress};
pub use expected::{ExpectedState, expected};
pub use fault::{Fault, FaultAction, FaultPlan, FaultTiming};
pub use flat_document::FlatDocument;
pub use generate::{customer_id, is_hopeless};
pub use shop::{KeptCustomer, Shop, ShopCounts, ShopOptions, ShopSnapshot, WriteCounts, run_shop};
pub use verify::{CustomerDifference, verify};

/// The reason why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not this machine's.
    #[error(
        "cannot listen on {address}: {source}; choose another address, or port 0 for any free port"
    )]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
}
