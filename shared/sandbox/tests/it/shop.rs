use pomost_sandbox::{Shop, ShopCounts, ShopOptions, ShopSnapshot, WriteCounts};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{ask, client, customer, json_of, post, shop};

#[tokio::test]
async fn without_the_key_nobody_gets_in() {
    let shop = shop().await;
    let answer = client()
        .get(format!("{}/customers", shop.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_customer_is_created_read_updated_found_and_deleted() {
    let shop = shop().await;
    let created = post(&shop, &customer(1)).await;
    assert_eq!(created.status(), 201);
    let created = json_of(created).await;
    assert_eq!(created["customer"]["id"], "c-1");

    let mut changed = customer(1);
    changed["balance"] = json!(7);
    let updated = ask(&shop, Method::PUT, "/customers/c-1", &changed.to_string())
        .await
        .unwrap();
    assert_eq!(updated.status(), 200);

    let found = ask(
        &shop,
        Method::GET,
        "/customers?email=r%C3%B3%C5%BCa.1%40example.pl",
        "",
    )
    .await
    .unwrap();
    assert_eq!(json_of(found).await["customers"][0]["balance"], 7);
    let read = ask(&shop, Method::GET, "/customers/c-1", "").await.unwrap();
    assert_eq!(json_of(read).await["customer"]["balance"], 7);

    assert_eq!(
        ask(&shop, Method::DELETE, "/customers/c-1", "")
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(
        ask(&shop, Method::GET, "/customers/c-1", "")
            .await
            .unwrap()
            .status(),
        404
    );
    let found = ask(
        &shop,
        Method::GET,
        "/customers?email=r%C3%B3%C5%BCa.1%40example.pl",
        "",
    )
    .await
    .unwrap();
    assert_eq!(json_of(found).await["customers"], json!([]));
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let shop = shop().await;
    let body = customer(1).to_string();
    for (method, path) in [
        (Method::PUT, "/customers/c-9"),
        (Method::DELETE, "/customers/nonsense"),
    ] {
        assert_eq!(ask(&shop, method, path, &body).await.unwrap().status(), 404);
    }
    assert_eq!(shop.counts().missing, 2);
}

#[tokio::test]
async fn a_wrong_field_is_refused_by_name() {
    let shop = shop().await;
    let cases = [
        ("email", json!("Anna@Example.pl")),
        ("email", Value::Null),
        ("email", json!("anna")),
        ("external_id", json!("")),
        ("phone", json!("600 100 200")),
        ("customer_since", json!("12.11.2019")),
        ("customer_since", json!("2019-02-31")),
        ("balance", json!("1234.50")),
        ("newsletter", json!("tak")),
        ("tax_id", json!("526-10-40-828")),
        ("address.country", json!("Polska")),
    ];
    for (field, value) in cases {
        let mut wrong = customer(1);
        match field.strip_prefix("address.") {
            Some(part) => {
                wrong["address"] =
                    json!({"street": "ul. Długa 1", "postal_code": "00-950", "city": "Łódź"});
                wrong["address"][part] = value;
            }
            None => wrong[field] = value,
        }
        let answer = post(&shop, &wrong).await;
        assert_eq!(answer.status(), 422, "{wrong}");
        assert_eq!(json_of(answer).await["field"], field);
    }
    assert_eq!(
        shop.counts(),
        ShopCounts {
            refused: 11,
            most_in_flight: 1,
            ..ShopCounts::default()
        }
    );
}

#[tokio::test]
async fn an_unknown_field_is_refused_and_what_is_not_json_is_a_bad_request() {
    let shop = shop().await;
    let mut wrong = customer(1);
    wrong["emial"] = json!("anna@example.pl");
    assert_eq!(post(&shop, &wrong).await.status(), 422);
    assert_eq!(
        ask(&shop, Method::POST, "/customers", "{\"email\":")
            .await
            .unwrap()
            .status(),
        400
    );
}

#[tokio::test]
async fn a_second_customer_with_an_email_is_a_conflict() {
    let shop = shop().await;
    post(&shop, &customer(1)).await;
    let answer = post(&shop, &customer(1)).await;
    assert_eq!(answer.status(), 409);
    assert_eq!(json_of(answer).await["field"], "email");
    post(&shop, &customer(2)).await;
    let taken = ask(
        &shop,
        Method::PUT,
        "/customers/c-2",
        &customer(1).to_string(),
    )
    .await
    .unwrap();
    assert_eq!(taken.status(), 409);
    assert_eq!(shop.counts().conflicts, 2);
}

#[tokio::test]
async fn where_duplicates_are_allowed_a_double_create_shows_as_two() {
    let shop = Shop::start(ShopOptions {
        allow_duplicates: true,
        ..ShopOptions::default()
    })
    .await
    .unwrap();
    for _ in 0..2 {
        assert_eq!(post(&shop, &customer(1)).await.status(), 201);
    }
    let snapshot = shop.snapshot();
    assert_eq!(snapshot.customers.len(), 2);
    assert_eq!(
        snapshot.tallies["x-1"],
        WriteCounts {
            created: 2,
            ..WriteCounts::default()
        }
    );
}

#[tokio::test]
async fn numbers_are_kept_digit_for_digit() {
    let shop = shop().await;
    let body = customer(1)
        .to_string()
        .replace("1234", "9007199254740993.10");
    let answer = ask(&shop, Method::POST, "/customers", &body).await.unwrap();
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("\"balance\":9007199254740993.10")
    );
    assert!(
        shop.snapshot().customers[0]
            .customer
            .get()
            .contains("9007199254740993.10")
    );
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_counted_as_repeated() {
    let shop = shop().await;
    post(&shop, &customer(1)).await;
    ask(
        &shop,
        Method::PUT,
        "/customers/c-1",
        &customer(1).to_string(),
    )
    .await
    .unwrap();
    let counts = shop.counts();
    assert_eq!((counts.updated, counts.repeated), (1, 1));
}

#[tokio::test]
async fn everybody_is_listed_page_after_page() {
    let shop = shop().await;
    for number in 1..=5 {
        post(&shop, &customer(number)).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/customers?limit=2".to_owned());
    loop {
        let answer = json_of(ask(&shop, Method::GET, &path, "").await.unwrap()).await;
        seen.extend(
            answer["customers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].to_string()),
        );
        match answer["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["\"c-1\"", "\"c-2\"", "\"c-3\"", "\"c-4\"", "\"c-5\""]
    );
}

#[tokio::test]
async fn another_process_sees_the_same_state() {
    let shop = shop().await;
    post(&shop, &customer(1)).await;
    let state = client()
        .get(format!("{}/_sandbox/state", shop.url()))
        .send()
        .await
        .unwrap();
    let state: ShopSnapshot = serde_json::from_slice(&state.bytes().await.unwrap()).unwrap();
    assert_eq!(state.counts, shop.counts());
    assert_eq!(state.customers[0].external_id, "x-1");
    assert_eq!(state.tallies["x-1"].created, 1);
    let counts = client()
        .get(format!("{}/_sandbox/counts", shop.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(json_of(counts).await["created"], 1);
}
