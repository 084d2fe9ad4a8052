//! Projects that are right: the one that `init` writes, and the example.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use pomost_expression::read;
use pomost_format::FormatSyntax;
use pomost_project::{
    InitError, Project, environment::Environment, flow::LoadTarget, flow_schema, init,
    schema::RecordSchema, system_schema,
};
use serde_json::json;

#[test]
fn a_new_project_passes_check_with_its_own_environment() {
    let directory = tempfile::tempdir().unwrap();
    let written = init(directory.path()).unwrap();
    assert!(written.iter().all(|path| path.is_file()));
    let project = load(directory.path());
    assert_eq!(project.flows.keys().collect::<Vec<_>>(), ["customers"]);
    assert!(project.warnings.is_empty(), "{}", project.warnings);
}

#[test]
fn a_new_project_overwrites_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".gitignore"), "mine\n").unwrap();
    let refused = init(directory.path()).unwrap_err();
    assert!(matches!(refused, InitError::Exists(path) if path.ends_with(".gitignore")));
    assert_eq!(
        fs::read_to_string(directory.path().join(".gitignore")).unwrap(),
        "mine\n"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_new_project_keeps_its_secrets_out_of_git() {
    let directory = tempfile::tempdir().unwrap();
    init(directory.path()).unwrap();
    let ignored = fs::read_to_string(directory.path().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == ".env"));
}

#[test]
fn the_example_is_well_formed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/customers");
    let values = fs::read_to_string(directory.join(".env.example")).unwrap();
    let variables: BTreeMap<String, String> = values
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let project = Project::load(&directory, &Environment::of(&directory, variables)).unwrap();
    assert!(project.warnings.is_empty(), "{}", project.warnings);
}

/// With no more said than has to be.
#[test]
fn a_flow_may_write_a_table_or_files() {
    let directory = tempfile::tempdir().unwrap();
    init(directory.path()).unwrap();
    let write = |name: &str, load: &str| {
        let extract =
            "{ system: crm, request: GET /sales, records: '.[]', key: .id, deleted: .gone }";
        let flow = format!("flow: {name}\nextract: {extract}\nload: {load}\n");
        fs::write(directory.path().join(format!("flows/{name}.yaml")), flow).unwrap();
    };
    let table = "{ database: '${W}', name: reporting.Sales, columns: { b: numeric, a: text } }";
    write("rows", &format!("{{ table: {table} }}"));
    write(
        "files",
        "{ files: { directory: reports/sales, format: { csv: { names: [id] } } } }",
    );
    let variables = ["CRM_URL", "CRM_TOKEN", "SHOP_URL", "SHOP_KEY"]
        .map(|name| (name.to_owned(), "http://localhost".to_owned()));
    let warehouse = [("W".to_owned(), "postgres://u:p@db.example/w".to_owned())];
    let environment = Environment::of(directory.path(), variables.into_iter().chain(warehouse));
    let project = Project::load(directory.path(), &environment).unwrap();
    assert!(project.warnings.is_empty(), "{}", project.warnings);
    let LoadTarget::Table(table) = &project.flows["rows"].load.target else {
        panic!("a table")
    };
    assert_eq!(
        (
            table.name.to_string().as_str(),
            table.key.as_str(),
            table.create
        ),
        ("reporting.Sales", "key", false)
    );
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.column_type.as_sql()))
        .collect();
    assert_eq!(columns, [("b", "numeric"), ("a", "text")]);
    let LoadTarget::Files(files) = &project.flows["files"].load.target else {
        panic!("files")
    };
    assert_eq!(files.directory, directory.path().join("reports/sales"));
    assert!(
        matches!(&files.format.syntax, FormatSyntax::Csv(csv) if csv.header && csv.names == ["id"])
    );
}

#[test]
fn the_printed_schemas_are_schemas_of_2020_12() {
    for schema in [flow_schema(), system_schema()] {
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert!(jsonschema::meta::is_valid(&schema));
    }
}

#[test]
fn a_record_that_does_not_satisfy_a_schema_is_told_by_pointer_and_without_its_value() {
    let schema = json!({ "properties": { "contact": { "properties": {
        "email": { "type": "string", "pattern": "^[^@]+@[^@]+$", "maxLength": 20 },
        "age": { "type": "integer", "maximum": 150 },
        "kind": { "enum": ["a", "b"] },
    } } } });
    let schema = RecordSchema::compile(&read(schema.to_string().as_bytes()).unwrap()).unwrap();
    for (field, value) in [
        ("email", r#""hunter2""#),
        ("email", "7474"),
        ("age", "7474"),
        ("kind", r#""hunter2""#),
    ] {
        let record = format!(r#"{{"contact":{{"{field}":{value}}}}}"#);
        let error = schema.check(&read(record.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(error.pointer, format!("/contact/{field}"));
        assert!(
            !error.message.contains("hunter2") && !error.message.contains("7474"),
            "{}",
            error.message
        );
        assert!(error.message.starts_with("the value"), "{}", error.message);
    }
}

#[test]
fn a_schema_error_names_no_unexpected_field_s_value() {
    let schema =
        json!({ "properties": { "a": { "additionalProperties": false } }, "required": ["b"] });
    let schema = RecordSchema::compile(&read(schema.to_string().as_bytes()).unwrap()).unwrap();
    let message = |record: &str| {
        schema
            .check(&read(record.as_bytes()).unwrap())
            .unwrap_err()
            .message
    };
    assert!(!message(r#"{"a":{"x":"hunter2"},"b":1}"#).contains("hunter2"));
    let missing = message(r#"{"a":{},"c":"hunter2"}"#);
    assert!(
        missing.contains("\"b\"") && !missing.contains("hunter2"),
        "{missing}"
    );
}

fn load(directory: &Path) -> Project {
    Project::load(directory, &Environment::of_process(directory)).unwrap()
}
