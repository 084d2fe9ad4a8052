//! Opening a project and its backends, as each operation needs them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use pomost_project::{Flow, Project, environment::Environment};
use pomost_runtime::{Backends, Settings, backends};

use crate::{Error, Result};

/// The pause between two attempts to take a project over from another process.
const TAKEOVER_INTERVAL: Duration = Duration::from_millis(250);

/// The time after which a wait for another process is told for the first time.
const FIRST_NOTICE: Duration = Duration::from_secs(2);

/// The time between two notices of a wait that goes on.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// The backends of an operation that may run the services on them.
pub struct OpenBackends {
    pub backends: Backends,
    /// True where another process runs the embedded project already.
    pub run_elsewhere: bool,
}

/// An event while this process waits for another process that runs the project.
#[derive(Debug, Clone)]
pub enum TakeoverEvent {
    /// The other process still runs it.
    Waiting {
        /// The other process: `process 1234`.
        holder: String,
        since: Timestamp,
    },
    /// The other process has ended, and this one goes on. Told only after a notice of the wait.
    HolderEnded,
}

/// Reads, checks and compiles a project.
pub fn project(directory: &Path) -> Result<Project> {
    Ok(Project::load(
        directory,
        &Environment::of_process(directory),
    )?)
}

/// The flow of this name. The error names the flow that was probably meant.
pub fn flow<'a>(project: &'a Project, name: &str) -> Result<&'a Flow> {
    match project.flows.get(name) {
        Some(flow) => Ok(flow),
        None => Err(Error::unknown_name("flow", name, project.flows.keys())),
    }
}

/// The settings from the environment, for a project that is named otherwise.
pub fn settings(directory: &Path) -> Result<Settings> {
    Ok(Settings {
        project: PathBuf::from(directory),
        ..Settings::from_environment()?
    })
}

/// Opens the backends for running the services, or for handing work to the process that runs them
/// already.
pub async fn to_run_or_join(settings: &Settings) -> Result<OpenBackends> {
    match Backends::open(settings).await {
        Ok(backends) => Ok(OpenBackends {
            backends,
            run_elsewhere: false,
        }),
        Err(error) if error.holder().is_some() => Ok(OpenBackends {
            backends: Backends::embedded_beside(&settings.project).await?,
            run_elsewhere: true,
        }),
        Err(error) => Err(error.into()),
    }
}

/// Opens the backends for running the services as soon as no other process does. Tells from time to
/// time which process it waits for.
pub async fn to_take_over(
    settings: &Settings,
    mut tell: impl FnMut(TakeoverEvent),
) -> Result<Backends> {
    let since = Timestamp::now();
    let (mut next_notice, mut has_told) = (Instant::now() + FIRST_NOTICE, false);
    loop {
        let opened = Backends::open(settings).await;
        let Some(holder) = opened.as_ref().err().and_then(backends::Error::holder) else {
            if has_told {
                tell(TakeoverEvent::HolderEnded);
            }
            return Ok(opened?);
        };
        if Instant::now() >= next_notice {
            let holder = holder.to_owned();
            tell(TakeoverEvent::Waiting { holder, since });
            (next_notice, has_told) = (Instant::now() + NOTICE_INTERVAL, true);
        }
        tokio::time::sleep(TAKEOVER_INTERVAL).await;
    }
}

/// Opens the backends for looking at what is there and for handing work to other processes.
pub async fn to_look(settings: &Settings) -> Result<Backends> {
    Ok(match settings.servers()? {
        Some(servers) => Backends::servers(&servers, &settings.namespace).await?,
        None => Backends::embedded_beside(&settings.project).await?,
    })
}
