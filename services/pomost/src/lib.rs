//! The operator's command line, and everything in one process.
//!
//! [`cli`] says which commands there are, [`commands`] has a file for each, and [`runner`] runs the
//! three services in this process. Data goes to standard output, everything else to standard error.

pub mod bench;
pub mod cli;
pub mod commands;
pub mod demo;
pub mod example;
pub mod indent;
pub mod letter;
pub mod open;
pub mod own_namespace;
pub mod progress;
pub mod replay;
pub mod runner;
pub mod selection;
pub mod table;
pub mod waits;
