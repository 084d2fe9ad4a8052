//! Requests to systems, on servers of the tests' own.
#![allow(clippy::unwrap_used)]

mod bodies;
mod canary;
mod keys;
mod limits;
mod no_tokens;
mod oauth2;
mod outages;
mod quota;
mod rates;
mod renewal;
mod replicas;
mod sessions;
mod streams;
mod support;
mod suspects;
mod tls;
mod transports;
mod web_pages;
