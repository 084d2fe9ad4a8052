//! The directory a user keeps in git, read, checked and compiled.
//!
//! [`Project::load`] is the way in. Everything that can be wrong is found there, all at once, each
//! [`Problem`] with its place; what it returns does not fail for reasons of configuration.
//!
//! A file becomes a [`document`] (values with their places), is held against the JSON Schema of its
//! kind ([`file_schema`]), and is then compiled ([`compile`]).

pub mod alerts;
pub mod auth;
mod compile;
pub mod destination;
mod document;
mod dot_env;
pub mod environment;
pub mod extract;
mod file_schema;
pub mod files;
pub mod flow;
mod init;
mod load;
mod mask;
pub mod masking;
pub mod problem;
pub mod request;
pub mod schedule;
pub mod schema;
pub mod system;
pub mod table;
mod version;
pub mod webhook;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

pub use alerts::AlertRules;
pub use file_schema::{alerts_schema, flow_schema, system_schema};
pub use flow::Flow;
pub use init::{InitError, init};
pub use problem::{Problem, Problems};
pub use system::System;

/// A project: its systems and flows, ready to run.
#[derive(Debug)]
pub struct Project {
    /// Its directory.
    pub directory: PathBuf,
    /// The systems by name.
    pub systems: BTreeMap<String, Arc<System>>,
    /// The flows by name.
    pub flows: BTreeMap<String, Arc<Flow>>,
    /// Who is told what people have to know; nobody where the project does not say.
    pub alerts: Option<AlertRules>,
    /// What is not wrong but worth knowing.
    pub warnings: Problems,
}

impl Project {
    /// The project with one of its flows alone, or nothing where it has no such flow.
    pub fn only(mut self, flow: &str) -> Option<Project> {
        self.flows.retain(|name, _| name == flow);
        (!self.flows.is_empty()).then_some(self)
    }
}
