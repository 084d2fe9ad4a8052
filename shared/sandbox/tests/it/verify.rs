use pomost_sandbox::{CustomerDifference, FlatDocument, Shop, ShopOptions, customer_id, verify};
use reqwest::Method;

use crate::client::{ask, crm};

/// Makes the body for a customer of the fields that the shop is expected to have.
fn body(fields: &FlatDocument) -> String {
    let member = |(name, text): (&str, &String)| format!("\"{name}\":{text}");
    let (mut members, mut address) = (Vec::new(), Vec::new());
    for (path, text) in &fields.0 {
        match path.strip_prefix("address.") {
            Some(name) => address.push(member((name, text))),
            None => members.push(member((path, text))),
        }
    }
    if !address.is_empty() {
        members.push(format!("\"address\":{{{}}}", address.join(",")));
    }
    format!("{{{}}}", members.join(","))
}

/// Returns the differences of a shop that got, for each of 300 customers, the bodies that `sent`
/// makes.
async fn told(sent: impl Fn(&str, String) -> Vec<String>) -> Vec<String> {
    let expected = crm(300).await.expected();
    let shop = Shop::start(ShopOptions {
        allow_duplicates: true,
        ..ShopOptions::default()
    })
    .await
    .unwrap();
    for (key, fields) in &expected.present {
        for body in sent(key, body(fields)) {
            let answer = ask(&shop, Method::POST, "/customers", &body).await.unwrap();
            assert_eq!(answer.status(), 201, "{body}");
        }
    }
    let differences = verify(&expected, &shop.snapshot())
        .err()
        .unwrap_or_default();
    differences
        .iter()
        .map(CustomerDifference::to_string)
        .collect()
}

#[tokio::test]
async fn what_is_expected_is_taken_by_the_shop_and_makes_no_difference() {
    assert_eq!(told(|_, body| vec![body]).await, [""; 0]);
}

#[tokio::test]
async fn a_missing_customer_is_told() {
    let third = customer_id(3);
    let told = told(|key, body| if key == third { vec![] } else { vec![body] }).await;
    assert_eq!(told, ["crm-0000003: missing from the shop"]);
}

#[tokio::test]
async fn a_doubled_customer_is_told() {
    let third = customer_id(3);
    let told = told(|key, body| {
        if key == third {
            vec![body.clone(), body]
        } else {
            vec![body]
        }
    })
    .await;
    assert_eq!(told, ["crm-0000003: created 2 times and deleted 0 times"]);
}

#[tokio::test]
async fn a_wrong_field_is_told_with_both_values() {
    let fields = crm(300).await.expected().present[&customer_id(3)].clone();
    let since = &fields.0["customer_since"];
    let third = customer_id(3);
    let told = told(|key, body| match key == third {
        true => vec![body.replace(since, "\"1999-12-31\"")],
        false => vec![body],
    });
    let line = format!("crm-0000003: customer_since must be {since}, but is \"1999-12-31\"");
    assert_eq!(told.await, [line]);
}

#[tokio::test]
async fn a_lost_trailing_zero_is_told() {
    let told =
        told(|_, body| vec![body.replace("9007199254740993.10", "9007199254740993.1")]).await;
    let line = "crm-0000077: credit_limit must be 9007199254740993.10, but is 9007199254740993.1";
    assert_eq!(told, [line]);
}

#[tokio::test]
async fn a_customer_that_must_not_be_there_is_told() {
    let third = customer_id(3);
    let told = told(|key, body| match key == third {
        true => vec![body.replace(key, "crm-0000041"), body],
        false => vec![body],
    });
    let told = told.await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("crm-0000041: must not be in the shop, but is, as c-"),
        "{told:?}"
    );
}
