//! What the end-to-end tests stand on: [`prove`] gives a behaviour a [`Stack`], which is a sandbox
//! CRM and shop, a RabbitMQ, a PostgreSQL, and the three services as processes between them.
//!
//! All of it is for tests and panics where something is not as it must be.
#![allow(clippy::unwrap_used)]

mod analytics;
mod chance;
mod collector;
mod command;
mod example;
mod expectations;
mod namespace;
mod patience;
mod postgres;
mod prove;
mod proxy;
mod service;
mod stack;

pub use analytics::Analytics;
pub use chance::{Chance, seed};
pub use collector::{Collector, Span};
pub use command::{Printed, pomost, pomost_in};
pub use example::{Example, dead, examples};
pub use namespace::{Namespace, database, schemas_like, test_url};
pub use patience::{eventually, for_a_while};
pub use postgres::PrivatePostgres;
pub use prove::prove;
pub use proxy::{Flow, Proxy};
pub use service::{Service, binary};
pub use stack::{FLOW, Options, Stack};
