//! The whole files of a project that the documents show are right.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use pomost_project::{Project, environment::Environment};

/// The documents, whose files together are one project.
const DOCUMENTS: [&str; 3] = ["README.md", "docs/flows.md", "docs/destinations.md"];

#[test]
fn the_files_that_the_documents_show_pass_check_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let (mut count, mut variables) = (0, BTreeMap::new());
    for document in DOCUMENTS {
        let files = files_in(&repository(document));
        assert!(!files.is_empty(), "{document} shows no file");
        for (name, content) in files {
            assert!(
                !directory.path().join(&name).exists(),
                "{document} has another {name}"
            );
            write(directory.path(), &name, &content);
            write_mentioned(directory.path(), &content);
            variables.extend(references(&content).map(|name| (name.to_owned(), value_of(name))));
            count += 1;
        }
    }
    let project = Project::load(
        directory.path(),
        &Environment::of(directory.path(), variables),
    );
    let project = project.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(project.warnings.is_empty(), "{}", project.warnings);
    assert_eq!(
        project.systems.len() + project.flows.len() + usize::from(project.alerts.is_some()),
        count
    );
}

/// The blocks of YAML that begin with the name of a file, `# flows/customers.yaml`, by it.
fn files_in(document: &str) -> Vec<(String, String)> {
    let blocks = document
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let file = |block: &str| {
        let first = block.lines().next()?.strip_prefix("# ")?;
        let name = first.split([':', ' ']).next()?;
        let is_file =
            name.starts_with("systems/") || name.starts_with("flows/") || name == "alerts.yaml";
        is_file.then(|| (name.to_owned(), block.to_owned()))
    };
    blocks.filter_map(file).collect()
}

/// Writes the schemas, certificates and keys that a file mentions.
fn write_mentioned(directory: &Path, content: &str) {
    let words = content.split(|c: char| !c.is_ascii_alphanumeric() && !"./-_".contains(c));
    for name in words {
        let pem = |file| {
            repository(&format!(
                "shared/project/tests/broken/certificates/{file}.pem"
            ))
        };
        match name {
            _ if name.ends_with(".json") => write(directory, name, "{}"),
            _ if name.ends_with("key.pem") => write(directory, name, &pem("key")),
            _ if name.ends_with(".pem") => write(directory, name, &pem("certificate")),
            _ => {}
        }
    }
}

fn references(content: &str) -> impl Iterator<Item = &str> {
    content
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
}

fn value_of(variable: &str) -> String {
    match variable {
        "WAREHOUSE_URL" => "postgres://user:password@warehouse.example/reports",
        name if name.ends_with("_URL") => "https://system.example",
        _ => "secret",
    }
    .to_owned()
}

fn write(directory: &Path, name: &str, content: &str) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A file of the repository.
fn repository(name: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(name),
    )
    .unwrap()
}
