//! The operator's command line, and everything in one process.
//!
//! [`cli`] lists the commands, [`commands`] has a file for each, and [`runner`] runs the three
//! services in this process. A command parses its arguments, calls `pomost_operations`, and prints
//! the result: data to standard output, everything else to standard error.

pub mod arguments;
pub mod bench;
pub mod cli;
pub mod commands;
pub mod demo;
pub mod example;
pub mod indented_json;
pub mod private_namespace;
pub mod progress_bar;
pub mod runner;
pub mod table;
