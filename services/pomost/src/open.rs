//! Opening a project and its backends, as the commands need them.

use std::path::{Path, PathBuf};

use pomost_project::{Problems, Project, environment::Environment};
use pomost_runtime::{Backends, Settings, backends};

/// The backends of a command, and whether this process may run the services on them.
pub struct Opened {
    /// The broker and the store.
    pub backends: Backends,
    /// Whether another process runs the embedded project already.
    pub run_elsewhere: bool,
}

/// Reads, checks and compiles a project.
pub fn project(directory: &Path) -> Result<Project, Problems> {
    Project::load(directory, &Environment::of_process(directory))
}

/// The settings from the environment, for the project of the command line.
pub fn settings(project: &Path) -> anyhow::Result<Settings> {
    Ok(Settings { project: PathBuf::from(project), ..Settings::from_environment()? })
}

/// RabbitMQ and PostgreSQL where both URLs are set, otherwise the embedded default, for running the
/// services in this process.
pub async fn to_run(settings: &Settings) -> Result<Backends, backends::Error> {
    match settings.servers()? {
        Some(servers) => Backends::servers(&servers, &settings.namespace).await,
        None => Backends::embedded(&settings.project).await,
    }
}

/// The same, for running the services if nobody else does on the embedded default.
pub async fn to_run_or_join(settings: &Settings) -> Result<Opened, backends::Error> {
    match to_run(settings).await {
        Ok(backends) => Ok(Opened { backends, run_elsewhere: false }),
        Err(backends::Error::Locked(_)) => {
            let backends = Backends::embedded_beside(&settings.project).await?;
            Ok(Opened { backends, run_elsewhere: true })
        }
        Err(error) => Err(error),
    }
}

/// The same, to look at what is there and to hand over work.
pub async fn to_look(settings: &Settings) -> Result<Backends, backends::Error> {
    match settings.servers()? {
        Some(servers) => Backends::servers(&servers, &settings.namespace).await,
        None => Backends::embedded_beside(&settings.project).await,
    }
}
