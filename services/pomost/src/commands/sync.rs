//! `pomost sync`

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use pomost_extractor::Scheduling;
use pomost_http::SystemClients;
use pomost_models::{Outcome, RunId, RunTrigger};
use pomost_project::{Flow, Project};
use pomost_runtime::{ServiceContext, Settings, shutdown};
use pomost_store::{DeadLetterFilter, RunRequest, RunState, RunSummary, Store};
use tokio_util::sync::CancellationToken;

use super::cursor;
use crate::{
    cli::{Nonsense, ProjectArgument},
    open::{self, Opened},
    progress, runner,
};

/// How many of a flow's newest runs are looked at for records that still wait.
const EARLIER: u32 = 100;

const DISCARDED: &str = "the dead letters were closed meanwhile: discarded, replayed, or outdated by a newer version; records whose \
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
    let flows = project.flows.keys().cloned().collect::<Vec<_>>().join(", ");
    let project = project
        .only(&arguments.flow)
        .map(Arc::new)
        .with_context(|| format!("there is no flow '{}'; there are: {flows}", arguments.flow))?;
    let settings = open::settings(&arguments.project.project)?;
    let opened = open::to_run_or_join(&settings).await?;
    if let Some(since) = &arguments.since {
        let flow = project
            .flows
            .get(&arguments.flow)
            .context("the flow is missing")?;
        check(flow, &*opened.backends.store, since).await?;
    }
    let request = RunRequest {
        flow: arguments.flow,
        trigger: RunTrigger::Manual,
        since: arguments.since,
    };
    let run = opened.backends.store.request_run(&request).await?;
    let stop = shutdown.child_token();
    let following = async {
        let summaries =
            follow_to_the_end(&*opened.backends.store, &project, run, &request.flow).await;
        stop.cancel();
        summaries
    };
    // Nobody follows what nobody runs any more.
    let running = async {
        let ran = run_services(project.clone(), &opened, &settings, &stop).await;
        stop.cancel();
        ran
    };
    let (summaries, ran) = tokio::join!(stopped_by(&stop, following), running);
    ran?;
    match summaries {
        Some(summaries) => report_all(&*opened.backends.store, &summaries?).await,
        None => {
            anyhow::bail!(
                "stopped before every record had settled; the next sync or run goes on with them"
            )
        }
    }
}

/// Refuses a place that no run of the flow can begin at.
async fn check(flow: &Flow, store: &dyn Store, since: &str) -> anyhow::Result<()> {
    let none = || Nonsense("--since needs extract.cursor, which the flow has not".into());
    let cursor = flow.extract.cursor.as_ref().ok_or_else(none)?;
    let stored = store.cursor(&flow.name).await?;
    cursor::check(&flow.extract, cursor, stored.as_deref(), since)
        .map_err(|Nonsense(problem)| Nonsense(format!("--since: {problem}")).into())
}

/// Runs the services until all is to stop. While another process runs the project, that one does what is asked for;
/// whoever waits for it goes on in its place when it ends.
async fn run_services(
    project: Arc<Project>,
    opened: &Opened,
    settings: &Settings,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let backends = match opened.run_elsewhere {
        false => opened.backends.clone(),
        true => match stop
            .run_until_cancelled(open::to_take_over(settings, progress::remark))
            .await
        {
            Some(backends) => backends?,
            None => return Ok(()),
        },
    };
    let context = ServiceContext {
        project,
        backends,
        claim: settings.claim(),
        shutdown: stop.clone(),
    };
    context.declare().await?;
    let clients = SystemClients::new(&context.project, &context.backends.store)?;
    runner::run(context, clients, Scheduling::Off).await
}

/// Follows what earlier runs of the flow left waiting, the oldest first, and then the run itself:
/// who stopped a sync was told that the next one goes on with its records. Nobody goes on with a
/// replay whose records were not all sent, but the next `pomost dead replay`.
async fn follow_to_the_end(
    store: &dyn Store,
    project: &Project,
    run: RunId,
    flow: &str,
) -> anyhow::Result<Vec<RunSummary>> {
    let mut summaries = Vec::new();
    for earlier in store.runs(Some(flow), EARLIER).await?.into_iter().rev() {
        let cut_short =
            earlier.trigger == RunTrigger::Replay && earlier.state == RunState::Requested;
        if earlier.id != run && !cut_short && !progress::has_ended(&earlier) {
            let label = format!("{flow} (an earlier run)");
            summaries.push(progress::follow(store, earlier.id, &label, Some(project)).await?);
        }
    }
    summaries.push(progress::follow(store, run, flow, Some(project)).await?);
    Ok(summaries)
}

/// Follows until the runs have ended, or until everything is to stop.
async fn stopped_by<T>(stop: &CancellationToken, following: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        followed = following => Some(followed),
        () = stop.cancelled() => None,
    }
}

async fn report_all(store: &dyn Store, summaries: &[RunSummary]) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for summary in summaries {
        let has_letters = is_dead_or_blocked(summary) && has_letters(store, &summary.flow).await?;
        let reported = report(summary, has_letters);
        code = if code == ExitCode::SUCCESS {
            reported
        } else {
            code
        };
    }
    Ok(code)
}

async fn has_letters(store: &dyn Store, flow: &str) -> anyhow::Result<bool> {
    let any = DeadLetterFilter {
        flow: Some(flow.to_owned()),
        limit: 1,
        ..DeadLetterFilter::default()
    };
    Ok(!store.dead_letters(&any).await?.is_empty())
}

fn is_dead_or_blocked(summary: &RunSummary) -> bool {
    summary.counts.count(Outcome::Dead) + summary.blocked_by_dead_letters > 0
}

/// A run with dead letters is not a success, and neither is an odd one.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's data, and remarks beside it"
)]
fn report(summary: &RunSummary, has_letters: bool) -> ExitCode {
    println!(
        "{} {}: {}",
        summary.flow,
        summary.state.as_str(),
        progress::in_words(summary)
    );
    if summary.state == RunState::Failed {
        eprintln!("{}", summary.error.as_deref().unwrap_or_default());
        return ExitCode::FAILURE;
    }
    if summary.blocked_by_dead_letters > 0 {
        eprintln!(
            "{} of the records wait for dead letters of their keys",
            summary.blocked_by_dead_letters
        );
    }
    if let Some(warning) = &summary.warning {
        eprintln!("{warning}");
        return ExitCode::FAILURE;
    }
    if is_dead_or_blocked(summary) {
        match has_letters {
            true => eprintln!("see `pomost dead list --flow {}`", summary.flow),
            false => eprintln!("{DISCARDED}"),
        }
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
