//! The example project's mapping and schemas against the second opinion.

use std::{collections::BTreeMap, fs, path::Path};

use jsonschema::Validator;
use pomost_expression::{Expression, Variables, write};
use pomost_sandbox::{Customer, FlatDocument};
use serde_json::{Value, value::RawValue};

use crate::client::crm;

struct Example {
    expect: Validator,
    map: Expression,
    produce: Validator,
}

impl Example {
    fn read() -> Example {
        let flow = file("flows/customers.yaml");
        let map = flow
            .split_once("  map: |\n")
            .unwrap()
            .1
            .split_once("  produce:")
            .unwrap()
            .0;
        let schema =
            |path| jsonschema::validator_for(&serde_json::from_str(&file(path)).unwrap()).unwrap();
        Example {
            expect: schema("schemas/crm-customer.json"),
            map: Expression::compile(map).unwrap(),
            produce: schema("schemas/shop-customer.json"),
        }
    }

    /// The fields that the shop gets, or why it gets nothing.
    fn cross(&self, customer: &Customer) -> Result<FlatDocument, String> {
        let json = serde_json::to_string(customer).unwrap();
        accept(&self.expect, &json)?;
        let value = pomost_expression::read(json.as_bytes()).unwrap();
        let mapped = self
            .map
            .one(value, &Variables::default())
            .map_err(|error| error.message)?;
        let mapped = write(&mapped).unwrap();
        accept(&self.produce, &mapped)?;
        Ok(FlatDocument::of(&RawValue::from_string(mapped).unwrap()))
    }
}

fn file(path: &str) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/customers");
    fs::read_to_string(example.join(path)).unwrap()
}

fn accept(schema: &Validator, json: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(json).unwrap();
    schema
        .validate(&value)
        .map_err(|error| format!("{}: {error}", error.instance_path()))
}

#[tokio::test]
async fn the_example_makes_of_every_customer_what_is_expected() {
    let (crm, example) = (crm(1000).await, Example::read());
    let (mut present, mut dead) = (BTreeMap::new(), BTreeMap::new());
    for customer in crm.customers().filter(|customer| !customer.archived) {
        match example.cross(&customer) {
            Ok(fields) => _ = present.insert(customer.id, fields),
            Err(reason) => _ = dead.insert(customer.id, reason),
        }
    }
    let expected = crm.expected();
    assert_eq!(
        dead.keys().collect::<Vec<_>>(),
        expected.dead.keys().collect::<Vec<_>>()
    );
    for (key, fields) in present {
        assert_eq!(fields, expected.present[&key], "{key}");
    }
}

#[tokio::test]
async fn the_example_says_why_a_hopeless_customer_does_not_cross() {
    let (crm, example) = (crm(400).await, Example::read());
    let reason = |position| {
        example
            .cross(&crm.customers().nth(position).unwrap())
            .unwrap_err()
    };
    assert_eq!(reason(41), ": \"email\" is a required property");
    assert_eq!(reason(141), "expected a date in the format %d.%m.%Y");
    assert_eq!(reason(241), "expected an amount, such as 1 234,50");
    assert_eq!(reason(341), "/email: \"\" is shorter than 3 characters");
}
