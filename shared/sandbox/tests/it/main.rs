//! The sandboxes over real HTTP.
#![allow(clippy::unwrap_used)]

mod client;
mod crm;
mod example;
mod faults;
mod shop;
mod verify;
