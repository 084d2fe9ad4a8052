use std::sync::LazyLock;

use pomost_sandbox::{Crm, CrmOptions, Shop, ShopOptions};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// One client for all tests, for it takes long to make; it keeps no connection, which would belong
/// to the runtime of one of them.
pub(crate) fn client() -> Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
        Client::builder().pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

pub(crate) async fn crm(customers: u32) -> Crm {
    Crm::start(CrmOptions {
        customers,
        ..CrmOptions::default()
    })
    .await
    .unwrap()
}

/// Reads the CRM's answer to a path, as JSON.
pub(crate) async fn read(crm: &Crm, path: &str) -> Value {
    let request = client()
        .get(format!("{}{path}", crm.url()))
        .bearer_auth(CrmOptions::default().token);
    json_of(request.send().await.unwrap()).await
}

pub(crate) async fn shop() -> Shop {
    Shop::start(ShopOptions::default()).await.unwrap()
}

/// A request to the shop with its key.
pub(crate) async fn ask(
    shop: &Shop,
    method: Method,
    path: &str,
    body: &str,
) -> reqwest::Result<Response> {
    let request = client().request(method, format!("{}{path}", shop.url()));
    request
        .header("X-Api-Key", ShopOptions::default().key)
        .body(body.to_owned())
        .send()
        .await
}

pub(crate) async fn post(shop: &Shop, customer: &Value) -> Response {
    ask(shop, Method::POST, "/customers", &customer.to_string())
        .await
        .unwrap()
}

pub(crate) async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// A customer that the shop takes.
pub(crate) fn customer(number: u32) -> Value {
    json!({
        "external_id": format!("x-{number}"),
        "email": format!("róża.{number}@example.pl"),
        "name": "Róża Źrebiec",
        "phone": "+48600100200",
        "customer_since": "2019-11-12",
        "balance": 1234,
        "newsletter": true,
        "sms": false,
        "company_name": null,
    })
}
