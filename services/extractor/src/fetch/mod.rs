//! The worker of `extract.<flow>`: it fetches the records whose deliveries say only that they
//! changed.

mod fetched_batch;
mod record_fetch;
mod worker;

pub(crate) use worker::FetchHandler;
