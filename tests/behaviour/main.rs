//! What Pomost does with records, in one process on the embedded backends: one file for each part
//! of the way a record goes.

#![allow(clippy::unwrap_used)]

mod command_line;
mod cursor;
mod destination;
mod doubt;
mod failures;
mod hostile;
mod paging;
mod replay;
mod requests;
mod support;
mod transforming;
