//! The HTTP server that stands in for a business system in tests.
//!
//! All of it is for tests and panics where something is not as it must be.
#![allow(clippy::unwrap_used)]

mod fake_server;
mod received_request;
mod reply;

pub use fake_server::FakeServer;
pub use received_request::ReceivedRequest;
pub use reply::Reply;
