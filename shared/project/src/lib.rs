//! A project: the directory that a user keeps in git, read, checked and compiled.
//!
//! [`Project::load`] is the entry point. It finds everything that is wrong at once, each
//! [`Problem`] with its place. A loaded project does not fail later for reasons of configuration.
//!
//! A file becomes a [`document`] (values with their places), is checked against the JSON Schema of
//! its kind ([`file_schema`]), and is then compiled ([`compile`]).

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
pub mod masking;
pub mod problem;
pub mod request;
pub mod schedule;
pub mod schema;
mod sensitive;
pub mod system;
pub mod table;
mod variables;
mod version;
pub mod webhook;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

pub use alerts::AlertRules;
pub use file_schema::{alerts_schema, flow_schema, system_schema};
pub use flow::Flow;
pub use init::{InitError, init};
pub use problem::{Problem, Problems};
pub use system::System;

/// A project with compiled systems and flows.
#[derive(Debug)]
pub struct Project {
    pub directory: PathBuf,
    /// The systems by name.
    pub systems: BTreeMap<String, Arc<System>>,
    /// The flows by name.
    pub flows: BTreeMap<String, Arc<Flow>>,
    /// The alerts. None where the project has no `alerts.yaml`.
    pub alerts: Option<AlertRules>,
    /// Problems that do not stop the project from running.
    pub warnings: Problems,
}

impl Project {
    /// The project with only one of its flows. None where it has no such flow.
    pub fn only(mut self, flow: &str) -> Option<Project> {
        self.flows.retain(|name, _| name == flow);
        (!self.flows.is_empty()).then_some(self)
    }
}
