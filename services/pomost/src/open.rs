//! Opening a project and its backends, as the commands need them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use pomost_project::{Problems, Project, environment::Environment};
use pomost_runtime::{Backends, Settings, backends};

/// How often a command looks whether it may take over.
const TURN: Duration = Duration::from_millis(250);

/// When who waits says so for the first time, and how often from then on.
const PATIENCE: Duration = Duration::from_secs(2);
const REMINDER: Duration = Duration::from_secs(60);

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
    Ok(Settings {
        project: PathBuf::from(project),
        ..Settings::from_environment()?
    })
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
        Ok(backends) => Ok(Opened {
            backends,
            run_elsewhere: false,
        }),
        Err(error) if error.holder().is_some() => {
            let backends = Backends::embedded_beside(&settings.project).await?;
            Ok(Opened {
                backends,
                run_elsewhere: true,
            })
        }
        Err(error) => Err(error),
    }
}

/// The same, for running the services as soon as nobody else does on the embedded default. Says from time to time who
/// is waited for, and since when.
pub async fn to_take_over(
    settings: &Settings,
    mut say: impl FnMut(String),
) -> Result<Backends, backends::Error> {
    let (since, mut next, mut said) = (Timestamp::now(), Instant::now() + PATIENCE, false);
    loop {
        let opened = to_run(settings).await;
        let Some(holder) = opened.as_ref().err().and_then(backends::Error::holder) else {
            if said {
                say("it has ended; going on here".to_owned());
            }
            return opened;
        };
        if Instant::now() >= next {
            say(format!(
                "{holder} runs this project; waiting for it since {since:.0}, and going on when it ends"
            ));
            (next, said) = (Instant::now() + REMINDER, true);
        }
        tokio::time::sleep(TURN).await;
    }
}

/// The same, to look at what is there and to hand over work.
pub async fn to_look(settings: &Settings) -> Result<Backends, backends::Error> {
    match settings.servers()? {
        Some(servers) => Backends::servers(&servers, &settings.namespace).await,
        None => Backends::embedded_beside(&settings.project).await,
    }
}
