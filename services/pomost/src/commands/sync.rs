//! `pomost sync`

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use pomost_extractor::Scheduling;
use pomost_http::SystemClients;
use pomost_models::RunId;
use pomost_operations::{
    follow, letters,
    open::{self, OpenBackends},
    runs::{self, RunReport},
};
use pomost_project::Project;
use pomost_runtime::{ServiceContext, Settings, shutdown};
use pomost_store::{RunState, Store};
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::ProjectArgument,
    progress_bar::{self, RunProgressBar, remark},
    runner,
};

const STOPPED_EARLY: &str = "stopped before the run began";

const STOPPED: &str =
    "stopped before every record had settled; the next sync or run goes on with them";

const LETTERS_CLOSED: &str = "the dead letters were closed meanwhile: discarded, replayed, or outdated by a newer version; records whose \
     letters were discarded are tried again when they or a file of the flow change";

/// The arguments of `pomost sync`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The flow to run
    flow: String,
    /// Read from here instead of from where the last run ended
    #[arg(long, value_name = "VALUE")]
    since: Option<String>,
    #[command(flatten)]
    project: ProjectArgument,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown::on_signal()?;
    let project = open::project(&arguments.project.project)?;
    // Here the error can still name the other flows.
    open::flow(&project, &arguments.flow)?;
    let project = project
        .only(&arguments.flow)
        .context("the flow is missing")?;
    let settings = open::settings(&arguments.project.project)?;
    let opening = async {
        let opened = open::to_run_or_join(&settings).await?;
        let (store, since) = (&*opened.backends.store, arguments.since);
        let run = runs::request(store, &project, &arguments.flow, since).await?;
        anyhow::Ok((opened, run))
    };
    let Some(opened) = shutdown.run_until_cancelled(opening).await else {
        bail!(STOPPED_EARLY);
    };
    let (opened, run) = opened?;
    let sync = Sync {
        project: Arc::new(project),
        flow: arguments.flow,
        settings,
        opened,
        run,
    };
    // Servers that have fallen silent would keep the run from being followed, and the services from
    // ending.
    let ended = shutdown::in_time(&shutdown, sync.to_the_end(shutdown.child_token())).await;
    ended.context(STOPPED)?
}

/// A run that was requested, and all that is needed to carry it out.
struct Sync {
    project: Arc<Project>,
    flow: String,
    settings: Settings,
    opened: OpenBackends,
    run: RunId,
}

impl Sync {
    /// Runs the services and follows the run until it has ended or everything is to stop, and
    /// prints its outcome.
    async fn to_the_end(&self, stop: CancellationToken) -> anyhow::Result<ExitCode> {
        let following = async {
            let reports = stopped_by(&stop, self.follow()).await;
            stop.cancel();
            reports
        };
        let running = async {
            let ran = self.run_services(&stop).await;
            // A run that is not carried out any more is not followed either.
            stop.cancel();
            ran
        };
        let (reports, ran) = tokio::join!(following, running);
        ran?;
        print_all(self.store(), &reports.context(STOPPED)??).await
    }

    async fn follow(&self) -> pomost_operations::Result<Vec<RunReport>> {
        let mut bar = RunProgressBar::new(&self.flow);
        let mut events = |event: follow::RunEvent<'_>| bar.show(event);
        let (store, project) = (self.store(), &self.project);
        follow::follow_with_earlier(store, self.run, project, &self.flow, &mut events).await
    }

    /// Runs the services until everything is to stop. While another process runs the project, that
    /// one carries the run out; when it ends, this one goes on in its place.
    async fn run_services(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let opening = async {
            match self.opened.run_elsewhere {
                false => Ok(self.opened.backends.clone()),
                true => open::to_take_over(&self.settings, progress_bar::show_takeover).await,
            }
        };
        let Some(backends) = stop.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let context = ServiceContext {
            project: self.project.clone(),
            backends: backends?,
            claim_ttl: self.settings.claim_ttl(),
            shutdown: stop.clone(),
        };
        context.declare().await?;
        let clients = SystemClients::new(&context.project, &context.backends.store)?;
        runner::run(context, clients, Scheduling::Off).await
    }

    fn store(&self) -> &dyn Store {
        &*self.opened.backends.store
    }
}

/// The result of following, or none where everything is to stop before that.
async fn stopped_by<T>(stop: &CancellationToken, following: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        // A run that ends just now has ended.
        biased;
        followed = following => Some(followed),
        () = stop.cancelled() => None,
    }
}

async fn print_all(store: &dyn Store, runs: &[RunReport]) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for run in runs {
        let has_letters = run.has_dead_or_blocked() && letters::has_open(store, &run.flow).await?;
        if !print(run, has_letters) {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Prints what became of a run. True for a success: no record is dead, and nothing was odd.
#[expect(clippy::print_stdout, reason = "a command's data")]
fn print(run: &RunReport, has_letters: bool) -> bool {
    println!(
        "{} {}: {}",
        run.flow,
        run.state.as_str(),
        progress_bar::outcomes(run)
    );
    if run.state == RunState::Failed {
        remark(run.error.as_deref().unwrap_or_default());
        return false;
    }
    if run.blocked > 0 {
        remark(&format!(
            "{} of the records wait for dead letters of their keys",
            run.blocked
        ));
    }
    if let Some(warning) = &run.warning {
        remark(warning);
        return false;
    }
    if run.has_dead_or_blocked() {
        match has_letters {
            true => remark(&format!("see `pomost dead list --flow {}`", run.flow)),
            false => remark(LETTERS_CLOSED),
        }
        return false;
    }
    true
}
