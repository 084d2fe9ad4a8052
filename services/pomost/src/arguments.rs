//! Arguments that several commands take.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use pomost_models::{DeadLetterReason, Stage};
use pomost_operations::letters::LetterSelection;

/// The project's directory; every command that needs one takes it.
#[derive(Debug, Clone, clap::Args)]
pub struct ProjectArgument {
    /// The project's directory
    #[arg(long, env = "POMOST_PROJECT", default_value = ".")]
    pub project: PathBuf,
}

/// The dead letters that a command works on.
#[derive(Debug, clap::Args)]
pub struct SelectionArguments {
    // An empty id, of a variable that is not set, would be the beginning of every id.
    /// Only letters with these ids, or with ids that begin like this
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    ids: Vec<String>,
    /// Only letters of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Only letters that failed at this stage: extract, transform or load
    #[arg(long)]
    stage: Option<Stage>,
    /// Only letters of this kind: invalid, transient, in_doubt, conflict, poison or unreadable
    #[arg(long)]
    class: Option<DeadLetterReason>,
}

impl From<SelectionArguments> for LetterSelection {
    fn from(arguments: SelectionArguments) -> LetterSelection {
        LetterSelection {
            ids: arguments.ids,
            flow: arguments.flow,
            stage: arguments.stage,
            reason: arguments.class,
        }
    }
}
