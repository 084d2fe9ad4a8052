//! `pomost dead`

use std::{process::ExitCode, sync::Arc};

use anyhow::ensure;
use clap::{Subcommand, builder::NonEmptyStringValueParser};
use pomost_models::Stage;
use pomost_operations::{
    letters::{self, LetterSelection, short_id},
    open,
    replay::{self, DoubtResolution, ReplayEvent, ReplayRequest, SentReplay, SkippedLetter},
};
use pomost_project::Project;
use pomost_store::Store;

use crate::{
    arguments::{ProjectArgument, SelectionArguments},
    indented_json::indented,
    progress_bar::remark,
    table::TextTable,
};

/// The arguments of `pomost dead`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the open dead letters, oldest first
    List {
        #[command(flatten)]
        selection: SelectionArguments,
        /// List at most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Show a dead letter with its record; sensitive fields are masked
    Show {
        /// Its id, or the beginning of it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Send dead letters back to the stage that failed
    Replay {
        #[command(flatten)]
        selection: SelectionArguments,
        /// Every open dead letter, where nothing else is chosen
        #[arg(long)]
        all: bool,
        /// An earlier stage to go back to
        #[arg(long, value_name = "STAGE")]
        from: Option<Stage>,
        /// For letters in doubt: I have looked, and the destination does not have their records
        #[arg(long, conflicts_with = "present")]
        absent: bool,
        /// For one letter in doubt: I have looked, and the destination has its record, under this
        /// id
        #[arg(long, value_name = "DESTINATION_ID", value_parser = NonEmptyStringValueParser::new())]
        present: Option<String>,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Close dead letters for good; their records are not sent
    Discard {
        #[command(flatten)]
        selection: SelectionArguments,
        /// Every open dead letter, where nothing else is chosen
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        project: ProjectArgument,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::List {
            selection,
            limit,
            project,
        } => list(&selection.into(), limit, &project).await,
        Action::Show { id, project } => show(&id, &project).await,
        Action::Replay {
            selection,
            all,
            from,
            absent,
            present,
            project,
        } => {
            let resolution = present
                .map(DoubtResolution::Present)
                .or(absent.then_some(DoubtResolution::Absent));
            let request = ReplayRequest { from, resolution };
            replay(&selection.into(), all, &request, &project).await
        }
        Action::Discard {
            selection,
            all,
            project,
        } => discard(&selection.into(), all, &project).await,
    }
}

async fn list(
    selection: &LetterSelection,
    limit: u32,
    project: &ProjectArgument,
) -> anyhow::Result<ExitCode> {
    let (store, known) = (store(project).await?, known_project(project));
    let list = letters::list(&*store, known.as_ref(), selection, limit).await?;
    let mut table = TextTable::new([
        "ID", "DIED", "FLOW", "STAGE", "CLASS", "KEY", "FIELD", "ERROR",
    ]);
    for letter in list.letters {
        table.row([
            short_id(&letter.id).to_owned(),
            format!("{:.0}", letter.died_at),
            letter.flow,
            letter.stage.to_string(),
            letter.class.as_str().into(),
            letter.key,
            letter.pointer.unwrap_or_default(),
            letter.error,
        ]);
    }
    table.print();
    if list.has_more {
        remark("there are more; see more with --limit");
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn show(id: &str, project: &ProjectArgument) -> anyhow::Result<ExitCode> {
    let (store, known) = (store(project).await?, known_project(project));
    let letter = letters::show(&*store, known.as_ref(), id).await?;
    println!("{}", indented(&serde_json::to_string(&letter)?));
    Ok(ExitCode::SUCCESS)
}

/// The project, if it is well-formed: without it dead letters can be looked at, with everything
/// sensitive hidden.
fn known_project(project: &ProjectArgument) -> Option<Project> {
    open::project(&project.project).ok()
}

async fn replay(
    selection: &LetterSelection,
    all: bool,
    request: &ReplayRequest,
    project: &ProjectArgument,
) -> anyhow::Result<ExitCode> {
    let backends = open::to_look(&open::settings(&project.project)?).await?;
    let project = open::project(&project.project)?;
    let mut print = |event: ReplayEvent<'_>| match event {
        ReplayEvent::Sent(sent) => print_sent(sent),
        ReplayEvent::Skipped(SkippedLetter { id, reason }) => remark_skipped(id, reason),
    };
    let report = replay::replay(&backends, &project, selection, all, request, &mut print).await?;
    ensure!(
        report.count_sent() > 0 || !report.skipped.is_empty(),
        "no open dead letter was found for this choice"
    );
    Ok(exit_code(report.skipped.is_empty()))
}

#[expect(clippy::print_stdout, reason = "a command's data")]
fn print_sent(sent: &SentReplay) {
    let SentReplay {
        flow, stage, run, ..
    } = sent;
    let letters = sent.letters.len();
    println!("{flow}: {letters} dead letters go to {stage} in run {run}");
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn discard(
    selection: &LetterSelection,
    all: bool,
    project: &ProjectArgument,
) -> anyhow::Result<ExitCode> {
    let report = letters::discard(&*store(project).await?, selection, all).await?;
    for id in &report.missing {
        remark_skipped(id, &replay::SkipReason::Missing);
    }
    println!("{} dead letters discarded", report.discarded);
    Ok(exit_code(report.missing.is_empty()))
}

fn remark_skipped(id: &str, reason: &replay::SkipReason) {
    remark(&format!("{} stays as it is: {reason}", short_id(id)));
}

/// A command that left a letter as it is has not done what it was asked.
fn exit_code(is_complete: bool) -> ExitCode {
    match is_complete {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn store(project: &ProjectArgument) -> anyhow::Result<Arc<dyn Store>> {
    Ok(open::to_look(&open::settings(&project.project)?)
        .await?
        .store)
}
