//! Two small business systems to try Pomost on: a CRM full of Polish customers as clerks typed
//! them, and a shop that takes only what is right.
//!
//! [`Crm`] and [`Shop`] are HTTP servers for one process and loopback. They keep everything in
//! memory, do the same for the same options each time, and stop when dropped. [`expected`] says
//! what the shop must hold after a sync and [`verify`] whether it does.

mod crm;
mod customer;
mod dice;
mod expected;
mod fault;
mod fields;
mod gate;
mod generate;
mod messy;
mod names;
mod server;
mod shop;
mod verify;

pub use crm::{Crm, CrmEdit, CrmOptions, run_crm};
pub use customer::{Address, Company, Customer, Order};
pub use expected::{ExpectedState, expected};
pub use fault::{Fault, FaultAction, FaultPlan, FaultTiming};
pub use fields::Fields;
pub use generate::{customer_id, is_hopeless};
pub use shop::{KeptCustomer, Shop, ShopCounts, ShopOptions, ShopSnapshot, Tally, run_shop};
pub use verify::{CustomerDifference, verify};

/// A sandbox could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not this machine's.
    #[error(
        "cannot listen on {address}: {source}; choose another address, or port 0 for any free port"
    )]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}
