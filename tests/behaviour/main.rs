//! What Pomost does with records, in one process on the embedded backends: one file for each part
//! of the way a record goes.

#![allow(clippy::unwrap_used)]

mod alerts;
mod answers;
mod batches;
mod command_line;
mod cursor;
mod dead_again;
mod demo;
mod destination;
mod documented;
mod doubt;
mod effect;
mod every_row;
mod examples;
mod failures;
mod files;
mod formats;
mod hostile;
mod hostile_messages;
mod if_match;
mod late;
mod messages;
mod modes;
mod no_content;
mod numbers;
mod order;
mod order_of_extraction;
mod outages;
mod paging;
mod rate_limit;
mod reading;
mod replay;
mod requests;
mod resolving;
mod schedule;
mod services;
mod side_by_side;
mod support;
mod sync_token;
mod tracing;
mod transforming;
mod web_pages;
mod webhook;
