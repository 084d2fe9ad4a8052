//! Projects for the tests of this crate.
#![allow(clippy::unwrap_used)]

use std::fs;

use pomost_project::{Project, environment::Environment};

/// Loads a project with one flow, `things`, of a system `source` and a system `shop`.
pub(crate) fn project(flow: &str, secrets: &[(&str, &str)]) -> Project {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for system in ["source", "shop"] {
        write(
            &format!("systems/{system}.yaml"),
            &format!("system: {system}\nbase_url: http://127.0.0.1:9\n"),
        );
    }
    write("flows/things.yaml", flow);
    let secrets = secrets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let project = Project::load(
        directory.path(),
        &Environment::of(directory.path(), secrets),
    );
    project.unwrap_or_else(|problems| panic!("{problems}"))
}
