//! What the loader does with a PostgreSQL table, at `POMOST_TEST_DATABASE_URL`.

#![allow(clippy::unwrap_used)]

mod support;
mod table;
mod tls;
