//! `pomost dead`

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use pomost_models::{DeadLetter, Reason, Stage};
use pomost_project::Project;
use pomost_store::{DeadLetterFilter, Store};

use crate::{cli::ProjectArgument, letter, open, replay, table::Table};

/// How many dead letters are replayed or discarded at a time.
const PAGE: u32 = 1000;

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
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Show one with its record; sensitive fields are masked
    Show {
        /// Its id, or the beginning of it
        id: String,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Send them back to the stage that failed
    Replay {
        #[command(flatten)]
        which: Which,
        /// Every open one, where nothing else narrows it down
        #[arg(long)]
        all: bool,
        /// An earlier stage to go back to
        #[arg(long, value_name = "STAGE")]
        from: Option<Stage>,
        #[command(flatten)]
        project: ProjectArgument,
    },
    /// Close them for good; their records are not sent
    Discard {
        #[command(flatten)]
        which: Which,
        /// Every open one, where nothing else narrows it down
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        project: ProjectArgument,
    },
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
struct Which {
    /// Those with these ids, or beginnings of ids
    ids: Vec<String>,
    /// Those of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Those that failed at this stage: extract, transform or load
    #[arg(long)]
    stage: Option<Stage>,
    /// Those of this kind: invalid, transient, in_doubt, poison or unreadable
    #[arg(long)]
    class: Option<Reason>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::List { which, limit, project } => list(which, limit, &project).await?,
        Action::Show { id, project } => show(id, &project).await?,
        Action::Replay { which, all, from, project } => replay_all(which, all, from, &project).await?,
        Action::Discard { which, all, project } => discard(which, all, &project).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(which: Which, limit: u32, project: &ProjectArgument) -> anyhow::Result<()> {
    let store = store(project).await?;
    let project = known(project);
    let mut table = Table::new(["ID", "DIED", "FLOW", "STAGE", "CLASS", "KEY", "FIELD", "ERROR"]);
    for filter in which.filters(limit) {
        for letter in store.dead_letters(&filter).await? {
            table.row([
                letter.id.clone(),
                format!("{:.0}", letter.died_at),
                letter.flow.clone(),
                letter.stage.to_string(),
                letter.reason.as_str().into(),
                letter::key(&letter, project.as_ref()),
                letter.pointer.clone().unwrap_or_default(),
                letter.error.clone(),
            ]);
        }
    }
    table.print();
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn show(id: String, project: &ProjectArgument) -> anyhow::Result<()> {
    let filter =
        DeadLetterFilter { id: Some(id.clone()), closed: true, limit: 2, ..DeadLetterFilter::default() };
    let letters = store(project).await?.dead_letters(&filter).await?;
    ensure!(letters.len() < 2, "several dead letters begin with {id}; give more of the id");
    let letter = letters.first().with_context(|| format!("there is no dead letter {id}"))?;
    println!("{}", letter::shown(letter, known(project).as_ref())?);
    Ok(())
}

/// The project, if it is well-formed: dead letters can be looked at without it, but not in clear.
fn known(project: &ProjectArgument) -> Option<Project> {
    open::project(&project.project).ok()
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn replay_all(
    which: Which,
    all: bool,
    from: Option<Stage>,
    project: &ProjectArgument,
) -> anyhow::Result<()> {
    which.must_narrow(all)?;
    let backends = open::to_look(&open::settings(&project.project)?).await?;
    let project = open::project(&project.project)?;
    backends.broker.declare(&project.flows.keys().cloned().collect::<Vec<_>>()).await?;
    let mut replayed = 0;
    for filter in which.filters(PAGE) {
        loop {
            let letters = backends.store.dead_letters(&filter).await?;
            let full = letters.len() == PAGE as usize;
            for ((flow, stage), letters) in grouped(letters, from)? {
                let run = replay::replay(&backends, &project, &flow, stage, &letters).await?;
                println!("{flow}: {} dead letters go to {stage} in run {run}", letters.len());
                replayed += letters.len();
            }
            if !full {
                break;
            }
        }
    }
    ensure!(replayed > 0, "no open dead letter is so");
    Ok(())
}

fn grouped(
    letters: Vec<DeadLetter>,
    from: Option<Stage>,
) -> anyhow::Result<BTreeMap<(String, Stage), Vec<DeadLetter>>> {
    let mut groups: BTreeMap<(String, Stage), Vec<DeadLetter>> = BTreeMap::new();
    for letter in letters {
        let stage = replay::stage_of(&letter, from)?;
        groups.entry((letter.flow.clone(), stage)).or_default().push(letter);
    }
    Ok(groups)
}

#[expect(clippy::print_stdout, reason = "a command's data")]
async fn discard(which: Which, all: bool, project: &ProjectArgument) -> anyhow::Result<()> {
    which.must_narrow(all)?;
    let store = store(project).await?;
    let mut discarded = 0;
    for filter in which.filters(PAGE) {
        loop {
            let letters = store.dead_letters(&filter).await?;
            let ids: Vec<String> = letters.into_iter().map(|letter| letter.id).collect();
            let closed = store.close_dead_letters(&ids, None).await?;
            discarded += closed;
            if closed < u64::from(PAGE) {
                break;
            }
        }
    }
    println!("{discarded} dead letters discarded");
    Ok(())
}

impl Which {
    /// One filter for each id, or one for all.
    fn filters(&self, limit: u32) -> Vec<DeadLetterFilter> {
        let filter = |id| DeadLetterFilter {
            id,
            flow: self.flow.clone(),
            stage: self.stage,
            reason: self.class,
            limit,
            ..DeadLetterFilter::default()
        };
        match self.ids.as_slice() {
            [] => vec![filter(None)],
            ids => ids.iter().cloned().map(Some).map(filter).collect(),
        }
    }

    fn must_narrow(&self, all: bool) -> anyhow::Result<()> {
        let narrows =
            !self.ids.is_empty() || self.flow.is_some() || self.stage.is_some() || self.class.is_some();
        ensure!(narrows || all, "name ids, --flow, --stage or --class; or --all for every open dead letter");
        Ok(())
    }
}

async fn store(project: &ProjectArgument) -> anyhow::Result<std::sync::Arc<dyn Store>> {
    Ok(open::to_look(&open::settings(&project.project)?).await?.store)
}
