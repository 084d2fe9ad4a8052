use std::collections::BTreeSet;

use pomost_sandbox::{Crm, CrmEdit, CrmOptions, Customer, customer_id, is_hopeless};
use serde_json::Value;

use crate::client::{client, crm, read};

fn ids(answer: &Value) -> Vec<String> {
    let customers = answer["customers"].as_array().unwrap();
    customers
        .iter()
        .map(|customer| customer["id"].as_str().unwrap().to_owned())
        .collect()
}

/// All ids from the first path on; `next` makes the next path of an answer.
async fn walk(crm: &Crm, first: &str, next: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    let (mut all, mut path) = (Vec::new(), Some(first.to_owned()));
    while let Some(at) = path {
        let answer = read(crm, &at).await;
        all.extend(ids(&answer));
        path = next(&answer);
    }
    all
}

fn next_url(answer: &Value) -> Option<String> {
    answer["next"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn without_the_token_nobody_gets_in_and_is_told_how() {
    let crm = crm(1).await;
    let answer = client()
        .get(format!("{}/customers", crm.url()))
        .bearer_auth("wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.headers()["www-authenticate"],
        r#"Bearer realm="crm""#
    );
}

#[tokio::test]
async fn the_same_seed_makes_the_same_customers_and_another_seed_others() {
    let of = |seed| {
        Crm::start(CrmOptions {
            seed,
            customers: 50,
            ..CrmOptions::default()
        })
    };
    let (one, same, other) = (
        of(7).await.unwrap(),
        of(7).await.unwrap(),
        of(8).await.unwrap(),
    );
    let path = "/customers?limit=50";
    assert_eq!(read(&one, path).await, read(&same, path).await);
    assert_ne!(read(&one, path).await, read(&other, path).await);
}

#[tokio::test]
async fn every_way_of_paging_gives_every_customer_once_and_in_the_same_order() {
    let crm = crm(250).await;
    let by_url = walk(&crm, "/customers?limit=100", next_url).await;
    assert_eq!(by_url.iter().collect::<BTreeSet<_>>().len(), 250);

    let by_page = walk(&crm, "/pages/customers?page=1&size=100", |answer| {
        let page = answer["page"].as_u64()? + 1;
        (page <= answer["pages"].as_u64()?)
            .then(|| format!("/pages/customers?page={page}&size=100"))
    });
    let by_offset = walk(&crm, "/offsets/customers?offset=0&limit=100", |answer| {
        let offset = answer["offset"].as_u64()? + 100;
        (!ids(answer).is_empty()).then(|| format!("/offsets/customers?offset={offset}&limit=100"))
    });
    let by_token = walk(&crm, "/tokens/customers?limit=100", |answer| {
        answer["next_token"]
            .as_str()
            .map(|token| format!("/tokens/customers?limit=100&token={token}"))
    });
    assert_eq!(by_page.await, by_url);
    assert_eq!(by_offset.await, by_url);
    assert_eq!(by_token.await, by_url);
}

#[tokio::test]
async fn a_last_page_that_is_exactly_full_has_no_next_one() {
    let answer = read(&crm(100).await, "/customers?limit=100").await;
    assert_eq!(ids(&answer).len(), 100);
    assert_eq!(answer["next"], Value::Null);
}

#[tokio::test]
async fn a_page_past_the_end_is_empty() {
    let crm = crm(10).await;
    assert!(ids(&read(&crm, "/pages/customers?page=9").await).is_empty());
    assert!(ids(&read(&crm, "/offsets/customers?offset=10").await).is_empty());
}

#[tokio::test]
async fn modified_since_takes_the_boundary_with_it_in_any_zone() {
    let crm = crm(30).await;
    let last = crm.customers().max_by_key(time_of).unwrap();
    let boundary = time_of(&last);
    let at_boundary = crm
        .customers()
        .filter(|customer| time_of(customer) == boundary)
        .count();
    for text in [boundary.to_string(), last.updated_at.replace('+', "%2B")] {
        let answer = read(&crm, &format!("/customers?modified_since={text}")).await;
        assert_eq!(ids(&answer).len(), at_boundary, "{text}");
    }
}

fn time_of(customer: &Customer) -> jiff::Timestamp {
    customer.updated_at.parse().unwrap()
}

#[tokio::test]
async fn a_time_that_is_none_is_a_bad_request() {
    let answer = read(&crm(1).await, "/customers?modified_since=yesterday").await;
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .starts_with("modified_since")
    );
}

#[tokio::test]
async fn an_edit_moves_only_those_it_names_behind_all_others() {
    let crm = crm(100).await;
    let before: Vec<Customer> = crm.customers().collect();
    let latest = before.iter().map(time_of).max().unwrap();
    crm.edit(&CrmEdit {
        change: vec![5, 9],
        touch: vec![6],
        archive: vec![7],
        add: 1,
    });

    let since = latest + jiff::SignedDuration::from_secs(1);
    let answer = read(&crm, &format!("/customers?modified_since={since}")).await;
    assert_eq!(ids(&answer), [5, 9, 6, 7, 100].map(customer_id));

    let after: Vec<Customer> = crm.customers().collect();
    assert_ne!(after[5].phone, before[5].phone);
    assert_eq!(
        Customer {
            updated_at: before[6].updated_at.clone(),
            ..after[6].clone()
        },
        before[6]
    );
    assert!(after[7].archived && !before[7].archived);
    assert_eq!(after[8], before[8]);
}

#[tokio::test]
async fn a_second_change_leaves_the_phone_and_takes_the_balance() {
    let crm = crm(10).await;
    let of_three = || crm.customers().nth(3).unwrap();
    crm.edit(&CrmEdit {
        change: vec![3],
        ..CrmEdit::default()
    });
    let once = of_three();
    crm.edit(&CrmEdit {
        change: vec![3],
        ..CrmEdit::default()
    });
    assert_eq!(of_three().phone, once.phone);
    assert_ne!(of_three().balance, once.balance);
}

#[tokio::test]
async fn another_process_edits_over_http() {
    let crm = crm(10).await;
    let edit = client()
        .post(format!("{}/_sandbox/edit", crm.url()))
        .header("content-type", "application/json");
    let answer = edit
        .body(r#"{"archive": [4], "add": 2}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(crm.customers().count(), 12);
    assert!(crm.customers().nth(4).unwrap().archived);
}

#[tokio::test]
async fn one_in_a_hundred_is_hopeless_and_no_other_is() {
    let crm = crm(3000).await;
    let hopeless: Vec<String> = (0..3000)
        .filter(|&at| is_hopeless(at))
        .map(customer_id)
        .collect();
    let expected = crm.expected();
    assert_eq!(hopeless.len(), 30);
    assert_eq!(expected.dead.keys().cloned().collect::<Vec<_>>(), hopeless);
    let fields: BTreeSet<&str> = expected.dead.values().copied().collect();
    assert_eq!(fields, BTreeSet::from(["email", "registered", "balance"]));
}

#[tokio::test]
async fn a_paused_crm_takes_no_connection_until_it_resumes_where_it_was() {
    let mut crm = crm(10).await;
    let client = client();
    let ask = || {
        client
            .get(format!("{}/customers", crm.url()))
            .bearer_auth("sandbox-crm-token")
            .send()
    };
    assert!(ask().await.is_ok());
    crm.pause().await;
    let ask = || {
        client
            .get(format!("{}/customers", crm.url()))
            .bearer_auth("sandbox-crm-token")
            .send()
    };
    assert!(ask().await.unwrap_err().is_connect());
    crm.resume().await.unwrap();
    assert_eq!(ids(&read(&crm, "/customers").await).len(), 10);
}
