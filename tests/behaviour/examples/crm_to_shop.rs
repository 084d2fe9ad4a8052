//! `examples/crm-to-shop`.

mod crm;
mod shop;

use serde_json::json;

use super::ExampleProject;
use crate::support::send_request;
use crm::Crm;
use shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn customers_cross_to_a_shop_that_has_some_of_them() {
    let (crm, shop, example) = begin().await;
    assert_eq!(
        example.sync("customers").await,
        "4 created, 1 updated, 1 unchanged, 1 dead"
    );
    assert_eq!(
        shop.customers(),
        [lucja("+48600100200"), hans(), zoe(), newcomer(), ola()]
    );
    assert_eq!(
        example.dead().await,
        [(
            "5".to_owned(),
            "the mapping: expected a date and time in the format %d.%m.%Y %H:%M (flows/customers.yaml:35:40)"
                .to_owned()
        )]
    );
    assert_eq!(crm.pages(), 3);
    assert_eq!((shop.tokens_given(), shop.refused()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_at_the_crm_is_all_that_is_sent() {
    let (crm, shop, example) = begin().await;
    example.sync("customers").await;
    assert_eq!(
        example.sync("customers").await,
        "1 unchanged",
        "the overlap reads the newest once more"
    );
    shop.forget_requests();

    crm.change(
        1,
        json!({ "phone": "+48 601 200 300", "changed_at": "2026-07-01T10:00:00Z" }),
    );
    crm.change(
        2,
        json!({ "status": "deleted", "changed_at": "2026-07-01T10:01:00Z" }),
    );
    crm.change(
        3,
        json!({ "note": "called back", "changed_at": "2026-07-01T10:02:00Z" }),
    );
    crm.change(
        5,
        json!({ "registered": "29.03.2026 12:00", "changed_at": "2026-07-01T10:03:00Z" }),
    );
    assert_eq!(
        example.sync("customers").await,
        "1 created, 1 updated, 1 deleted, 2 unchanged"
    );
    assert_eq!(
        shop.customers(),
        [lucja("+48601200300"), zoe(), newcomer(), ewa(), ola()]
    );
    assert_eq!(shop.writes(), ["DELETE", "POST", "PUT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_system_lets_in_who_shows_nothing() {
    let (crm, shop, _example) = begin().await;
    assert_eq!(
        send_request("GET", &format!("{}/customers", crm.url()), "", "")
            .await
            .0,
        401
    );
    assert_eq!(
        send_request("POST", &format!("{}/customers", shop.url()), "", "{}")
            .await
            .0,
        401
    );
    assert_eq!(
        send_request("POST", &format!("{}/oauth/token", shop.url()), "", "")
            .await
            .0,
        401
    );
}

async fn begin() -> (Crm, Shop, ExampleProject) {
    let (crm, shop) = (Crm::start().await, Shop::start().await);
    let variables = [
        ("CRM_URL", crm.url()),
        ("CRM_KEY", crm::KEY),
        ("SHOP_URL", shop.url()),
        ("SHOP_CLIENT_ID", shop::CLIENT_ID),
        ("SHOP_CLIENT_SECRET", shop::CLIENT_SECRET),
    ];
    let example = ExampleProject::new("crm-to-shop", &variables);
    (crm, shop, example)
}

fn lucja(phone: &str) -> String {
    format!(
        "{{\"external_id\":\"1\",\"email\":\"lucja.zak@poczta.example\",\"name\":\"Łucja Żak\",\"country\":\"PL\",\
         \"phone\":\"{phone}\",\"born\":\"1984-03-07\",\"customer_since\":\"2024-07-24T11:45:00Z\",\"newsletter\":true}}"
    )
}

fn hans() -> String {
    r#"{"external_id":"2","email":"hans@gross.example","name":"Hans Groß","country":"DE","phone":"+4930123456","born":null,"customer_since":"2024-12-24T08:00:00Z","newsletter":false}"#.into()
}

fn zoe() -> String {
    r#"{"external_id":"3","email":"zoe@durand.example","name":"Zoë Durand","country":"FR","phone":"+33142685300","born":null,"customer_since":"2024-10-27T00:30:00Z","newsletter":false}"#.into()
}

/// A customer of the CRM who had an account in the shop before.
fn newcomer() -> String {
    r#"{"external_id":"4","email":"iga@poczta.example","name":"Nowak","country":"PL","phone":null,"born":null,"customer_since":"2025-01-02T22:00:00Z","newsletter":true}"#.into()
}

fn ola() -> String {
    r#"{"external_id":"7","email":"ola@poczta.example","name":"Ola Kos","country":"CZ","phone":"+420601123456","born":"1999-12-31","customer_since":"2025-06-30T22:00:00Z","newsletter":false}"#.into()
}

fn ewa() -> String {
    r#"{"external_id":"5","email":"ewa@poczta.example","name":"Ewa Lis","country":"PL","phone":null,"born":null,"customer_since":"2026-03-29T10:00:00Z","newsletter":false}"#.into()
}
