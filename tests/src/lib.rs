//! The ground that the end-to-end tests stand on: [`with_stack`] gives a behaviour a [`Stack`],
//! which is a sandbox CRM and shop, a RabbitMQ, a PostgreSQL, and the three services as processes
//! between them.
//!
//! All of it is for tests and panics where something is not as it must be.
#![allow(clippy::unwrap_used)]

mod analytics_server;
mod command;
mod example_project;
mod expectations;
mod namespace;
mod postgres;
mod proxy;
mod seeded_random;
mod service;
mod stack;
mod trace_collector;
mod waiting;
mod with_stack;

pub use analytics_server::AnalyticsServer;
pub use command::{CommandOutput, pomost, pomost_in};
pub use example_project::{ExampleProject, examples, open_dead_letters};
pub use namespace::{Namespace, database, schemas_like, test_url};
pub use postgres::PrivatePostgres;
pub use proxy::{Proxy, WireState};
pub use seeded_random::{SeededRandom, seed};
pub use service::{Service, ServiceExit, binary};
pub use stack::{FLOW, Stack, StackOptions, pages_and_no_more};
pub use trace_collector::{ReceivedSpan, TraceCollector};
pub use waiting::{eventually, for_a_while};
pub use with_stack::with_stack;
