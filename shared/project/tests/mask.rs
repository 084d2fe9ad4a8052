//! Hiding sensitive values.

#![allow(clippy::unwrap_used)]

use std::{fs, sync::Arc};

use pomost_expression::{Value, read, write};
use pomost_project::{Flow, Project, environment::Environment, init};

const RECORD: &str = r#"{
    "id": 17, "email": "jan@example.com", "born": 1984.10, "code": "7", "vip": true,
    "name": "Jan", "full_name": "Jan \"Żuk\" Kowalski",
    "contact": { "mail": "jan@example.com", "notes": ["call Jan", 17, null] }
}"#;

#[test]
fn a_sensitive_value_is_hidden_wherever_it_stands_in_a_text() {
    let flow = flow("[.email, '.contact.notes[1]']");
    let masked = flow.mask(
        &record(),
        "jan@example.com is taken by <jan@example.com>; id 17",
    );
    assert_eq!(masked, "*** is taken by <***>; id 17");
}

#[test]
fn numbers_are_hidden_by_their_digits_and_short_values_are_not_hunted_in_texts() {
    let flow = flow("[.born, .code]");
    assert_eq!(
        flow.mask(&record(), "born 1984.10, code 7"),
        "born ***, code 7"
    );
}

#[test]
fn the_longest_value_goes_first() {
    let flow = flow("[.name, .full_name]");
    assert_eq!(
        flow.mask(&record(), "no Jan \"Żuk\" Kowalski, no Jan"),
        "no ***, no ***"
    );
}

#[test]
fn values_are_hidden_as_json_writes_them() {
    let flow = flow("[.full_name]");
    let answers = [
        r#"{"name":"Jan \"Żuk\" Kowalski"}"#,
        r#"{"name":"Jan \"\u017buk\" Kowalski"}"#,
    ];
    for answer in answers {
        assert_eq!(flow.mask(&record(), answer), r#"{"name":"***"}"#);
    }
}

#[test]
fn the_beginning_of_a_value_at_the_cut_end_of_a_text_is_hidden() {
    let flow = flow("[.email]");
    assert_eq!(flow.mask(&record(), "taken: jan@exam…"), "taken: ***…");
    assert_eq!(flow.mask(&record(), "taken: ja…"), "taken: ja…");
}

#[test]
fn a_masked_record_hides_every_copy_of_a_value_and_keeps_the_rest() {
    let masked =
        flow("[.email, .code, .contact.notes, .nowhere, .id.nothing]").mask_record(&record());
    let expected = r#"{"id":"***","email":"***","born":1984.10,"code":"***","vip":true,"name":"Jan","full_name":"Jan \"Żuk\" Kowalski","contact":{"mail":"***","notes":["***","***",null]}}"#;
    assert_eq!(write(&masked).unwrap(), expected);
}

#[test]
fn a_sensitive_object_hides_all_that_is_in_it() {
    let masked = write(&flow("[.contact]").mask_record(&record())).unwrap();
    assert!(
        masked.contains(r#""contact":{"mail":"***","notes":["***","***",null]}"#),
        "{masked}"
    );
}

#[test]
fn a_record_of_another_shape_hides_what_stands_where_the_path_leads() {
    let record =
        read(br#"{"address":"Polna 1, Opole","people":[{"mail":"a@b.pl"},"c@d.pl"],"n":1.5}"#)
            .unwrap();
    let masked = |sensitive: &str| write(&flow(sensitive).mask_record(&record)).unwrap();
    let hidden = r#"{"address":"***","people":[{"mail":"***"},"***"],"n":1.5}"#;
    assert_eq!(masked("[.address.street, '.people[].mail']"), hidden);
    assert_eq!(
        masked("['.address | .street']"),
        r#"{"address":"***","people":[{"mail":"***"},"***"],"n":"***"}"#
    );
    assert_eq!(masked("[.nothing.at.all]"), write(&record).unwrap());
}

fn record() -> Value {
    read(RECORD.as_bytes()).unwrap()
}

fn flow(sensitive: &str) -> Arc<Flow> {
    let directory = tempfile::tempdir().unwrap();
    init(directory.path()).unwrap();
    let file = directory.path().join("flows/customers.yaml");
    let template = fs::read_to_string(&file).unwrap();
    let (before, _) = template.split_once("sensitive:").unwrap();
    fs::write(&file, format!("{before}sensitive: {sensitive}\n")).unwrap();
    let project =
        Project::load(directory.path(), &Environment::of_process(directory.path())).unwrap();
    project.flows["customers"].clone()
}
