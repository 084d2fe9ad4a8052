//! An example project at work.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pomost_models::DeadLetter;
use pomost_runtime::Backends;
use pomost_store::{DeadLetterFilter, Store};
use tempfile::TempDir;

use crate::{Printed, pomost_in};

/// A copy of an example project: what Pomost remembers of it does not stay in the example.
pub struct Example {
    directory: TempDir,
}

impl Example {
    /// A copy of `examples/{name}` with these variables in its `.env`.
    pub fn new(name: &str, variables: &[(&str, &str)]) -> Example {
        let directory = tempfile::tempdir().unwrap();
        copy(&examples().join(name), directory.path());
        let lines = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        fs::write(directory.path().join(".env"), lines.collect::<String>()).unwrap();
        Example { directory }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a flow once by `pomost sync`; returns what became of its records, as it is printed.
    pub async fn sync(&self, flow: &str) -> String {
        let printed = self.pomost(&["sync", flow]).await;
        let settled = printed.out.strip_prefix(&format!("{flow} settled: "));
        settled
            .unwrap_or_else(|| panic!("{printed:?}"))
            .trim_end()
            .to_owned()
    }

    /// The keys of the dead letters and why they are dead, in order.
    pub async fn dead(&self) -> Vec<(String, String)> {
        let key_and_error = |letter: DeadLetter| (letter.key().to_owned(), letter.error);
        let mut letters: Vec<_> = dead(&*self.backends().await.store)
            .await
            .into_iter()
            .map(key_and_error)
            .collect();
        letters.sort();
        letters
    }

    /// The broker and the store, beside whoever runs the project.
    pub async fn backends(&self) -> Backends {
        Backends::embedded_beside(self.directory()).await.unwrap()
    }

    /// Runs the command line on it.
    pub async fn pomost(&self, arguments: &[&str]) -> Printed {
        Printed::of(
            pomost_in(self.directory(), arguments)
                .output()
                .await
                .unwrap(),
        )
    }
}

/// Where the example projects are.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// What is kept of all runs that a store knows.
pub async fn dead(store: &dyn Store) -> Vec<DeadLetter> {
    store
        .dead_letters(&DeadLetterFilter {
            limit: 1000,
            ..DeadLetterFilter::default()
        })
        .await
        .unwrap()
}

/// Copies what an example has in its folders.
fn copy(from: &Path, to: &Path) {
    for folder in ["systems", "flows", "schemas"] {
        fs::create_dir(to.join(folder)).unwrap();
        for file in fs::read_dir(from.join(folder)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), to.join(folder).join(file.file_name())).unwrap();
        }
    }
}
