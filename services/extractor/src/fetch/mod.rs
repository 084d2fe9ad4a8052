//! The worker of `extract.<flow>`: it asks the source about the rows that deliveries only told of.

mod fetched_batch;
mod record_fetch;
mod worker;

pub(crate) use worker::FetchHandler;
