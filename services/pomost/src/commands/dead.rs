//! `pomost dead`

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, ensure};
use clap::{Subcommand, builder::NonEmptyStringValueParser};
use pomost_models::Stage;
use pomost_project::Project;
use pomost_store::{DeadLetterFilter, Store};

use crate::{
    cli::ProjectArgument,
    letter, open,
    replay::{Found, Replayer, Report, Wish},
    selection::{Page, Selection},
    table::Table,
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
        selection: Selection,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Show one with its record; sensitive fields are masked
    Show {
        /// Its id, or the beginning of it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Send them back to the stage that failed
    Replay {
        #[command(flatten)]
        selection: Selection,
        /// Every open one, where nothing else narrows it down
        #[arg(long)]
        all: bool,
        /// An earlier stage to go back to
        #[arg(long, value_name = "STAGE")]
        from: Option<Stage>,
        /// Of those in doubt: I have looked, and the destination does not have their records
        #[arg(long, conflicts_with = "present")]
        absent: bool,
        /// Of one in doubt: I have looked, and the destination has its record, under this id
        #[arg(long, value_name = "DESTINATION_ID", value_parser = NonEmptyStringValueParser::new())]
        present: Option<String>,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Close them for good; their records are not sent
    Discard {
        #[command(flatten)]
        selection: Selection,
        /// Every open one, where nothing else narrows it down
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
        } => list(&selection, limit, &project).await,
        Action::Show { id, project } => show(&id, &project).await,
        Action::Replay {
            selection,
            all,
            from,
            absent,
            present,
            project,
        } => {
            let found = present
                .map(Found::Record)
                .or(absent.then_some(Found::Nothing));
            replay(&selection, all, &Wish { from, found }, &project).await
        }
        Action::Discard {
            selection,
            all,
            project,
        } => discard(&selection, all, &project).await,
    }
}

#[expect(clippy::print_stderr, reason = "a remark beside a command's data")]
async fn list(
    selection: &Selection,
    limit: u32,
    project: &ProjectArgument,
) -> anyhow::Result<ExitCode> {
    let mut letters = selection
        .listed(&*store(project).await?, limit.saturating_add(1))
        .await?;
    let more = letters.len() > limit as usize;
    letters.truncate(limit as usize);
    let project = known(project);
    let mut table = Table::new([
        "ID", "DIED", "FLOW", "STAGE", "CLASS", "KEY", "FIELD", "ERROR",
    ]);
    for letter in letters {
        table.row([
            letter::short(&letter.id).to_owned(),
            format!("{:.0}", letter.died_at),
            letter.flow.clone(),
            letter.stage.to_string(),
            letter.reason.as_str().into(),
            letter::key(&letter, project.as_ref()),
            letter.pointer.clone().unwrap_or_default(),
            letter.error.clone(),
        ]);
    }
    table.print();
    if more {
        eprintln!("there are more; see more with --limit");
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn show(id: &str, project: &ProjectArgument) -> anyhow::Result<ExitCode> {
    let filter = DeadLetterFilter {
        id: Some(id.to_owned()),
        include_closed: true,
        limit: 2,
        ..DeadLetterFilter::default()
    };
    let letters = store(project).await?.dead_letters(&filter).await?;
    ensure!(
        letters.len() < 2,
        "several dead letters begin with {id}; give more of the id"
    );
    let letter = letters
        .first()
        .with_context(|| format!("there is no dead letter {id}"))?;
    println!("{}", letter::shown(letter, known(project).as_ref())?);
    Ok(ExitCode::SUCCESS)
}

/// The project, if it is well-formed: dead letters can be looked at without it, but not in clear.
fn known(project: &ProjectArgument) -> Option<Project> {
    open::project(&project.project).ok()
}

async fn replay(
    selection: &Selection,
    all: bool,
    wish: &Wish,
    project: &ProjectArgument,
) -> anyhow::Result<ExitCode> {
    let names_a_record = matches!(wish.found, Some(Found::Record(_)));
    ensure!(
        !names_a_record || selection.ids.len() == 1,
        "--present takes the id of one dead letter"
    );
    let backends = open::to_look(&open::settings(&project.project)?).await?;
    let project = open::project(&project.project)?;
    backends
        .broker
        .declare(&project.flows.keys().cloned().collect::<Vec<_>>())
        .await?;
    let replayer = Replayer {
        backends: &backends,
        project: &project,
    };
    let mut pages = selection.pages(&*backends.store, all)?;
    let mut next = pages.next().await?;
    // What an earlier command began may be the very letters that are chosen now.
    let resumed = replayer.resume().await?;
    let mut done = Done::default();
    done.note(&resumed);
    while let Some(Page {
        mut letters,
        missing,
    }) = next
    {
        letters.retain(|letter| !resumed.has(&letter.id));
        done.miss(&missing);
        done.note(&replayer.replay(&letters, wish).await?);
        next = pages.next().await?;
    }
    ensure!(
        done.letters > 0 || done.skipped > 0,
        "no open dead letter is so"
    );
    Ok(done.code())
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn discard(
    selection: &Selection,
    all: bool,
    project: &ProjectArgument,
) -> anyhow::Result<ExitCode> {
    let store = store(project).await?;
    let mut pages = selection.pages(&*store, all)?;
    let mut done = Done::default();
    while let Some(Page { letters, missing }) = pages.next().await? {
        let ids: Vec<String> = letters.into_iter().map(|letter| letter.id).collect();
        done.letters += store.discard_dead_letters(&ids).await?;
        done.miss(&missing);
    }
    println!("{} dead letters discarded", done.letters);
    Ok(done.code())
}

/// What was done with dead letters, told as it is done.
#[derive(Default)]
struct Done {
    letters: u64,
    skipped: u64,
}

impl Done {
    #[expect(clippy::print_stdout, reason = "a command's data")]
    fn note(&mut self, report: &Report) {
        for (replay, letters) in &report.sent {
            let (flow, stage, run) = (&replay.flow, replay.stage, replay.run);
            println!(
                "{flow}: {} dead letters go to {stage} in run {run}",
                letters.len()
            );
            self.letters += letters.len() as u64;
        }
        for (id, reason) in &report.skipped {
            self.skip(id, &format!("{reason:#}"));
        }
    }

    fn miss(&mut self, ids: &[String]) {
        ids.iter()
            .for_each(|id| self.skip(id, "no open dead letter has this id"));
    }

    #[expect(clippy::print_stderr, reason = "a remark beside a command's data")]
    fn skip(&mut self, id: &str, reason: &str) {
        eprintln!("{} stays as it is: {reason}", letter::short(id));
        self.skipped += 1;
    }

    /// What was left as it is was not done.
    fn code(&self) -> ExitCode {
        if self.skipped > 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

async fn store(project: &ProjectArgument) -> anyhow::Result<Arc<dyn Store>> {
    Ok(open::to_look(&open::settings(&project.project)?)
        .await?
        .store)
}
