//! The three services as processes, on a real RabbitMQ and a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod backpressure;
mod broker;
mod canaries;
mod crossing;
mod database;
mod demo;
mod disk;
mod faults;
mod health;
mod image;
mod kills;
mod outages;
mod replicas;
mod secrets;
mod shutdown;
mod tracing;
mod warehouse;
mod webhooks;
