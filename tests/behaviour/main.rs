//! The behaviour of Pomost in one process on the embedded backends, with a file for each part of
//! the way of a record.

#![allow(clippy::unwrap_used)]

mod alerts;
mod batches;
mod command_line;
mod cursor;
mod dead_records_read_again;
mod demo;
mod destination;
mod documented;
mod examples;
mod failures;
mod files;
mod formats;
mod hostile;
mod hostile_messages;
mod if_match;
mod in_doubt;
mod late_effects;
mod messages;
mod modes;
mod no_content;
mod numbers;
mod order;
mod order_of_extraction;
mod outages;
mod paging;
mod random_sources;
mod rate_limit;
mod reading;
mod replay;
mod requests;
mod resolving;
mod response_rules;
mod schedule;
mod services;
mod side_by_side;
mod split_records;
mod support;
mod sync_token;
mod tracing;
mod transforming;
mod uncertain_effects;
mod web_pages;
mod webhook;
