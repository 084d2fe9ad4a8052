//! The three services as processes, on a real RabbitMQ and a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod crossing;
mod kills;
