//! An example project at work.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pomost_models::DeadLetter;
use pomost_runtime::Backends;
use pomost_store::{DeadLetterFilter, Store};
use tempfile::TempDir;

use crate::{CommandOutput, pomost_in};

/// A copy of an example project, so that the files of the store do not stay in the example.
pub struct ExampleProject {
    directory: TempDir,
}

impl ExampleProject {
    /// A copy of `examples/{name}` with these variables in its `.env`.
    pub fn new(name: &str, variables: &[(&str, &str)]) -> ExampleProject {
        let directory = tempfile::tempdir().unwrap();
        copy(&examples().join(name), directory.path());
        let lines = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        fs::write(directory.path().join(".env"), lines.collect::<String>()).unwrap();
        ExampleProject { directory }
    }

    /// The directory of the copy.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a flow once by `pomost sync`; returns the outcomes of its records as they are printed.
    pub async fn sync(&self, flow: &str) -> String {
        let printed = self.pomost(&["sync", flow]).await;
        let settled = printed.out.strip_prefix(&format!("{flow} settled: "));
        settled
            .unwrap_or_else(|| panic!("{printed:?}"))
            .trim_end()
            .to_owned()
    }

    /// The keys and errors of the open dead letters, in order.
    pub async fn dead(&self) -> Vec<(String, String)> {
        let key_and_error = |letter: DeadLetter| (letter.key().to_owned(), letter.error);
        let mut letters: Vec<_> = open_dead_letters(&*self.backends().await.store)
            .await
            .into_iter()
            .map(key_and_error)
            .collect();
        letters.sort();
        letters
    }

    /// The broker and the store, beside a process that runs the project.
    pub async fn backends(&self) -> Backends {
        Backends::embedded_beside(self.directory()).await.unwrap()
    }

    /// Runs the command line on it.
    pub async fn pomost(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::of(
            pomost_in(self.directory(), arguments)
                .output()
                .await
                .unwrap(),
        )
    }
}

/// The directory of the example projects.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The open dead letters of all runs in a store.
pub async fn open_dead_letters(store: &dyn Store) -> Vec<DeadLetter> {
    store
        .dead_letters(&DeadLetterFilter {
            limit: 1000,
            ..DeadLetterFilter::default()
        })
        .await
        .unwrap()
}

/// Copies the folders of an example.
fn copy(from: &Path, to: &Path) {
    for folder in ["systems", "flows", "schemas"] {
        fs::create_dir(to.join(folder)).unwrap();
        for file in fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), to.join(folder).join(file.file_name())).unwrap();
        }
    }
}
