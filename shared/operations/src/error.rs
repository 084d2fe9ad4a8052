//! Why an operation was not carried out.

use pomost_models::RunId;
use pomost_project::Problems;
use pomost_runtime::backends;

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The project has problems.
    #[error(transparent)]
    Project(#[from] Problems),
    /// An argument makes no sense for the flow; the text says what was expected.
    #[error("{0}")]
    InvalidArgument(String),
    /// The project has no flow or system of this name.
    #[error("there is no {kind} '{name}'; {help}")]
    UnknownName {
        /// The kind of name: `flow` or `system`.
        kind: &'static str,
        name: String,
        /// The name that was probably meant, or all names that there are.
        help: String,
    },
    /// The flow has no cursor to show or set.
    #[error("the flow '{0}' has no extract.cursor: every run reads everything")]
    NoCursor(String),
    /// Nothing narrows down which dead letters are meant.
    #[error("name ids, --flow, --stage or --class; or --all for every open dead letter")]
    NothingSelected,
    /// No dead letter has this id, or an id that begins like this.
    #[error("there is no dead letter {0}")]
    UnknownLetter(String),
    /// Several dead letters have ids that begin like this.
    #[error("several dead letters begin with {0}; give more of the id")]
    AmbiguousLetter(String),
    /// The id of a record at the destination was given for several letters.
    #[error("--present takes the id of one dead letter")]
    OneLetterExpected,
    /// The run was removed from the store while it was followed.
    #[error("the run {0} is not in the store any more")]
    RunVanished(RunId),
    /// A setting in the environment cannot be read.
    #[error(transparent)]
    Settings(#[from] envy::Error),
    /// The broker and the store could not be opened.
    #[error(transparent)]
    Backends(#[from] backends::Error),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
}

impl Error {
    /// The error for a name that the project does not have, with the name that was probably meant.
    pub(crate) fn unknown_name<'a>(
        kind: &'static str,
        name: &str,
        known: impl Iterator<Item = &'a String> + Clone,
    ) -> Error {
        let nearest = known
            .clone()
            .min_by_key(|known| strsim::damerau_levenshtein(name, known))
            .filter(|known| strsim::jaro_winkler(name, known) > 0.8);
        let help = match nearest {
            Some(nearest) => format!("did you mean '{nearest}'?"),
            None => format!(
                "there are: {}",
                known.map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        Error::UnknownName {
            kind,
            name: name.to_owned(),
            help,
        }
    }
}

impl From<pomost_runtime::worker::HandlerError> for Error {
    fn from(error: pomost_runtime::worker::HandlerError) -> Error {
        use pomost_runtime::worker::HandlerError;
        match error {
            HandlerError::Broker(error) => Error::Broker(error),
            HandlerError::Store(error) => Error::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_one_that_was_probably_meant_or_with_all() {
        let known = ["crm".to_owned(), "shop".to_owned()];
        let error = |name| Error::unknown_name("system", name, known.iter()).to_string();
        assert_eq!(
            error("shp"),
            "there is no system 'shp'; did you mean 'shop'?"
        );
        assert_eq!(
            error("warehouse"),
            "there is no system 'warehouse'; there are: crm, shop"
        );
    }
}
