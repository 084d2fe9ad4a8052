//! The problems of broken projects, word for word.
//!
//! Each directory of `tests/broken` is a project with something wrong in it, and `expected.txt` in
//! it is what `Project::load` says. `UPDATE_EXPECTED=1` writes the files anew: read the difference.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use pomost_project::{
    Project, alerts_schema, environment::Environment, flow_schema, system_schema,
};

/// The values that no problem may show.
const SECRETS: [&str; 2] = ["hunter2", "crm-token-value"];

#[test]
fn every_broken_project_is_told_what_is_wrong_where_and_what_to_do() {
    let mut cases: Vec<PathBuf> = fs::read_dir(tests().join("broken"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let said = Project::load(case, &environment(case))
                .expect_err(&case.display().to_string())
                .to_string();
            assert!(
                !SECRETS.iter().any(|secret| said.contains(secret)),
                "{}: a secret is shown",
                case.display()
            );
            difference(&case.join("expected.txt"), &format!("{said}\n"))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.concat());
}

#[test]
fn what_is_not_wrong_but_worth_knowing_is_a_warning() {
    let case = tests().join("warnings");
    let project = Project::load(&case, &environment(&case)).unwrap();
    let difference = difference(
        &case.join("expected-warnings.txt"),
        &format!("{}\n", project.warnings),
    );
    assert!(difference.is_none(), "{}", difference.unwrap());
}

#[test]
fn the_printed_schemas_are_those_of_the_examples() {
    let schemas = tests().join("../../../examples/schemas");
    let printed = |schema| format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    let differences = [
        ("alerts", alerts_schema()),
        ("flow", flow_schema()),
        ("system", system_schema()),
    ]
    .map(|(kind, schema)| {
        difference(
            &schemas.join(format!("{kind}.schema.json")),
            &printed(schema),
        )
    });
    let differences: Vec<String> = differences.into_iter().flatten().collect();
    assert!(differences.is_empty(), "{}", differences.concat());
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn environment(directory: &Path) -> Environment {
    let variables = [
        ("CRM_URL", "https://crm.example/v1"),
        ("CRM_TOKEN", "crm-token-value"),
        ("EMPTY", ""),
        ("ALERTS_URL", "http://chat.example/hooks/hunter2"),
        (
            "WAREHOUSE",
            "postgres://reports:hunter2@db.example/warehouse",
        ),
        (
            "VERIFIED",
            "postgres://reports:hunter2@db.example/warehouse?sslmode=verify-full",
        ),
        (
            "ROOTED",
            "postgres://reports:hunter2@db.example/warehouse?sslrootcert=/etc/ca.pem",
        ),
    ];
    Environment::of(
        directory,
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())),
    )
}

/// The differences between a file and its expected content, line by line. Empty where there are
/// none.
fn difference(file: &Path, actual: &str) -> Option<String> {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, actual).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected == actual {
        return None;
    }
    let missing = expected
        .lines()
        .filter(|line| !actual.lines().any(|other| other == *line));
    let new = actual
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line));
    let lines: String = missing
        .map(|line| format!("  - {line}\n"))
        .chain(new.map(|line| format!("  + {line}\n")))
        .collect();
    Some(format!(
        "\n{}\n{lines}  (UPDATE_EXPECTED=1 writes the file anew)\n",
        file.display()
    ))
}
