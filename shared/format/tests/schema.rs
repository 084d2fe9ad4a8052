//! The schema of a flow file's format says what its reader says.

#![allow(clippy::unwrap_used)]

use pomost_models::format::FormatSection;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

#[test]
fn the_schema_and_the_reader_agree() {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Option<FormatSection>>()
        .to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let agree = |written: Value, good: bool| {
        assert_eq!(validator.is_valid(&written), good, "the schema: {written}");
        assert_eq!(
            serde_json::from_value::<FormatSection>(written.clone()).is_ok(),
            good,
            "the reader: {written}"
        );
    };
    for name in ["json", "jsonl", "csv", "xml", "text", "form"] {
        agree(json!(name), true);
        agree(json!({ (name): {} }), true);
        agree(
            json!({ (name): { "encoding": "windows-1250" } }),
            name != "form",
        );
        agree(json!({ (name): { "unknown": 1 } }), false);
        agree(json!({ (name): name }), false);
    }
    agree(
        json!({ "csv": { "delimiter": "\t", "quote": "", "escape": "\\", "header": true, "names": ["a"], "skip": 1,
            "trim": true, "lenient": true, "nulls": true } }),
        true,
    );
    agree(
        json!({ "xml": { "record": "/a/b", "list": ["c"], "prefixes": true } }),
        true,
    );
    agree(json!({ "text": { "lines": true } }), true);
    for bad in [
        json!("yaml"),
        json!(""),
        json!(1),
        json!([]),
        json!({}),
        json!({ "csv": {}, "json": {} }),
        json!({ "csv": { "header": "yes" } }),
        json!({ "xml": { "list": "item" } }),
    ] {
        agree(bad, false);
    }
    for too_strict_for_the_type in [
        json!({ "csv": { "delimiter": "ab" } }),
        json!({ "json": { "encoding": "a b" } }),
    ] {
        assert!(
            !validator.is_valid(&too_strict_for_the_type),
            "{too_strict_for_the_type}"
        );
    }
}
