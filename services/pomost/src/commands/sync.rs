//! `pomost sync`

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use pomost_extractor::Scheduling;
use pomost_http::Clients;
use pomost_models::{Outcome, Trigger};
use pomost_runtime::{Backends, Context, Settings, shutdown};
use pomost_store::{RunRequest, RunState, RunSummary};
use tokio_util::sync::CancellationToken;

use crate::{cli::ProjectArgument, open, progress, runner};

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
    let flows = project.flows.keys().cloned().collect::<Vec<_>>().join(", ");
    let project = project
        .only(&arguments.flow)
        .with_context(|| format!("there is no flow '{}'; there are: {flows}", arguments.flow))?;
    let settings = open::settings(&arguments.project.project)?;
    let opened = open::to_run_or_join(&settings).await?;
    let request = RunRequest { flow: arguments.flow, trigger: Trigger::Manual, since: arguments.since };
    let run = opened.backends.store.request_run(&request).await?;
    let stop = shutdown.child_token();
    let context = context(project, opened.backends.clone(), &settings, stop.clone());
    let clients = Clients::new(&context.project)?;
    let following = async {
        let summary = progress::follow(context.store(), run, &request.flow).await;
        stop.cancel();
        summary
    };
    let running = async {
        match opened.run_elsewhere {
            true => Ok(stop.cancelled().await),
            false => runner::run(context.clone(), clients, Scheduling::Off).await,
        }
    };
    let (summary, ran) = tokio::join!(stopped_by(&stop, following), running);
    ran?;
    match summary {
        Some(summary) => Ok(report(&summary?)),
        None => {
            anyhow::bail!("stopped before every record had settled; the next sync or run goes on with them")
        }
    }
}

/// Follows until the run has ended, or until everything is to stop.
async fn stopped_by<T>(stop: &CancellationToken, following: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        followed = following => Some(followed),
        () = stop.cancelled() => None,
    }
}

fn context(
    project: pomost_project::Project,
    backends: Backends,
    settings: &Settings,
    shutdown: CancellationToken,
) -> Context {
    Context { project: Arc::new(project), backends, claim: settings.claim(), shutdown }
}

/// A run with dead letters is not a success.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's data, and remarks beside it")]
fn report(summary: &RunSummary) -> ExitCode {
    println!("{} {}: {}", summary.flow, summary.state.as_str(), progress::in_words(&summary.counts));
    if summary.state == RunState::Failed {
        eprintln!("{}", summary.error.as_deref().unwrap_or_default());
        return ExitCode::FAILURE;
    }
    if summary.counts.of(Outcome::Dead) > 0 {
        eprintln!("see `pomost dead list --flow {}`", summary.flow);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
