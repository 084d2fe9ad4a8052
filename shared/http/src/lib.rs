//! Requests to business systems: authorised, bounded, and their answers sorted.
//!
//! [`Clients`] holds one [`Client`] for each system of a project. A [`Client`] turns a [`Call`] into
//! an [`Answer`] with a 2xx status, or into a [`Failure`] that says what kind it is.

mod authorisation;
mod client;
mod failure;

pub use client::{Answer, Call, Client, Clients};
pub use failure::{Class, Failure};
