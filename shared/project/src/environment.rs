//! Values of `${NAME}` and `${file:PATH}`.

use std::{
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::{Problem, dot_env};

/// The variables and files that a project may refer to. `Debug` does not print their values.
#[derive(Clone)]
pub struct Environment {
    variables: HashMap<String, String>,
    directory: PathBuf,
    /// Problems of the project's `.env`.
    pub(crate) problems: Vec<Problem>,
}

impl Environment {
    /// The process's environment and the project's `.env`, where the process's environment goes
    /// first. Problems of `.env` are reported when the project is loaded.
    pub fn of_process(directory: &Path) -> Environment {
        let (mut variables, problems) = dot_env::read(directory);
        variables.extend(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Environment {
            variables,
            directory: directory.to_owned(),
            problems,
        }
    }

    /// An environment of only these variables.
    pub fn of(
        directory: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Environment {
        let variables = variables.into_iter().collect();
        Environment {
            variables,
            directory: directory.to_owned(),
            problems: Vec::new(),
        }
    }

    /// Replaces every reference in a text. The error says what is missing, and contains no values.
    pub(crate) fn resolve(&self, text: &str) -> Result<String, String> {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (reference, after) = after.split_once('}').ok_or("'${' has no '}'")?;
            resolved.push_str(before);
            resolved.push_str(&self.value_of(reference)?);
            rest = after;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    /// Reads a file by its path relative to the project's directory.
    pub(crate) fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.directory.join(path))
            .map_err(|error| format!("cannot read the file {path}: {error}"))
    }

    fn value_of(&self, reference: &str) -> Result<String, String> {
        match reference.strip_prefix("file:") {
            Some(path) => Ok(self.read(path)?.trim_end_matches(['\n', '\r']).to_owned()),
            None => self.variables.get(reference).cloned().ok_or_else(|| {
                format!(
                    "{reference} is not set; set it in the environment or in the project's .env"
                )
            }),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn references_are_replaced_and_missing_ones_are_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("token"), "from-file\n").unwrap();
        let environment = Environment::of(
            directory.path(),
            [("HOST".to_owned(), "example.com".to_owned())],
        );
        assert_eq!(
            environment.resolve("https://${HOST}/v1").unwrap(),
            "https://example.com/v1"
        );
        assert_eq!(environment.resolve("${file:token}").unwrap(), "from-file");
        assert!(
            environment
                .resolve("${NOPE}")
                .unwrap_err()
                .starts_with("NOPE is not set")
        );
        assert!(
            environment
                .resolve("${file:nope}")
                .unwrap_err()
                .contains("cannot read the file nope")
        );
        assert!(!format!("{environment:?}").contains("example.com"));
    }

    #[test]
    fn the_process_s_environment_wins_over_dot_env() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join(".env"),
            "PATH=of-the-file\nPOMOST_OF_THE_FILE=here\n",
        )
        .unwrap();
        let environment = Environment::of_process(directory.path());
        assert_eq!(
            environment.resolve("${POMOST_OF_THE_FILE}").unwrap(),
            "here"
        );
        assert_eq!(
            environment.resolve("${PATH}").unwrap(),
            std::env::var("PATH").unwrap()
        );
    }
}
