//! The loader with a PostgreSQL table as its destination, at `POMOST_TEST_DATABASE_URL`.

#![allow(clippy::unwrap_used)]

mod support;
mod table;
mod tls;
