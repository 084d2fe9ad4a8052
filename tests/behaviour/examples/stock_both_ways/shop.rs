//! A shop that delivers every change of a product, its own and those of the flow.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    examples::{not_found, refusal_without},
    support::{FakeServer, ReceivedRequest, Reply, send_request},
};

/// The token that it accepts.
pub(super) const TOKEN: &str = "shop-token-of-the-tests";

/// The secret of the signatures of its deliveries.
pub(super) const WEBHOOK_SECRET: &str = "webhook-secret-of-the-tests";

/// `GET /products?updated_since={time}` in pages of two, and `GET` and `PATCH /products/{sku}` with
/// entity tags; it makes no change without `If-Match`.
pub(super) struct Shop {
    server: FakeServer,
    shelf: Arc<Mutex<ProductShelf>>,
}

/// A product, without when it was changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) reserved: u64,
    pub(super) available: i64,
}

struct ProductShelf {
    products: BTreeMap<&'static str, KeptProduct>,
    /// Number of changes so far.
    changes: i64,
    /// Number of changes by the flow.
    writes: usize,
    /// Number of changes with an outdated entity tag.
    mismatches: usize,
    /// The bodies of the next deliveries.
    deliveries: Vec<String>,
}

struct KeptProduct {
    reserved: u64,
    available: i64,
    /// The number of its last change.
    change: i64,
}

impl Shop {
    pub(super) async fn start() -> Shop {
        let products = [("CUP", 1), ("GIFT", 9), ("MUG", 2), ("PEN", 0)]
            .map(|(sku, reserved)| {
                (
                    sku,
                    KeptProduct {
                        reserved,
                        available: 0,
                        change: 0,
                    },
                )
            })
            .into();
        let shelf = ProductShelf {
            products,
            changes: 0,
            writes: 0,
            mismatches: 0,
            deliveries: Vec::new(),
        };
        let shelf = Arc::new(Mutex::new(shelf));
        let kept = shelf.clone();
        let server = FakeServer::start(move |request| {
            let refused = refusal_without(request, "x-shop-access-token", TOKEN);
            refused.unwrap_or_else(|| kept.lock().unwrap().answer(request))
        })
        .await;
        Shop { server, shelf }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    pub(super) fn products(&self) -> Vec<Product> {
        let product = |(sku, kept): (&&'static str, &KeptProduct)| Product {
            sku,
            reserved: kept.reserved,
            available: kept.available,
        };
        self.shelf
            .lock()
            .unwrap()
            .products
            .iter()
            .map(product)
            .collect()
    }

    pub(super) fn writes(&self) -> usize {
        self.shelf.lock().unwrap().writes
    }

    pub(super) fn mismatches(&self) -> usize {
        self.shelf.lock().unwrap().mismatches
    }

    /// Makes a customer order so many pieces.
    pub(super) fn order(&self, sku: &'static str, pieces: u64) {
        self.shelf
            .lock()
            .unwrap()
            .change(sku, |product| product.reserved += pieces);
    }

    /// Delivers the changes since the last time; returns the status of each delivery.
    pub(super) async fn deliver(&self, hook: SocketAddr) -> Vec<String> {
        let deliveries = std::mem::take(&mut self.shelf.lock().unwrap().deliveries);
        let mut statuses = Vec::new();
        for body in deliveries {
            statuses.push(deliver(hook, &body).await);
        }
        statuses
    }

    pub(super) fn lose_deliveries(&self) {
        self.shelf.lock().unwrap().deliveries.clear();
    }

    /// Delivers a product as it was when so much of it was reserved, before its last change.
    pub(super) async fn deliver_anew(
        &self,
        sku: &'static str,
        reserved: u64,
        hook: SocketAddr,
    ) -> String {
        let mut product = self.shelf.lock().unwrap().product(sku);
        product["reserved"] = json!(reserved);
        product["updated_at"] = json!(time_of(0));
        deliver(hook, &product.to_string()).await
    }
}

/// The signature of a delivery as Shopify defines it: the HMAC with SHA-256 in Base64.
pub(super) fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn deliver(hook: SocketAddr, body: &str) -> String {
    let signature = signature(WEBHOOK_SECRET, body);
    let headers =
        format!("X-Shopify-Hmac-SHA256: {signature}\r\nX-Shopify-Webhook-Id: {signature}\r\n");
    let (status, answer) = send_request(
        "POST",
        &format!("http://{hook}/shop/products"),
        &headers,
        body,
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str::<Value>(&answer).unwrap()["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

impl ProductShelf {
    fn answer(&mut self, request: &ReceivedRequest) -> Reply {
        let Some(sku) = request.path.strip_prefix("/products/") else {
            return self.list(&request.query);
        };
        let Some(sku) = self.products.keys().find(|known| **known == sku).copied() else {
            return not_found();
        };
        match (request.method.as_str(), request.headers.get("if-match")) {
            ("GET", _) => self.tagged(sku),
            (_, None) => Reply::json(428, &json!({ "error": "which one do you mean?" })),
            (_, Some(etag)) if *etag != self.etag(sku) => {
                self.mismatches += 1;
                Reply::json(412, &json!({ "error": "it has changed" }))
            }
            _ => {
                let change: Value = serde_json::from_str(&request.body).unwrap();
                self.writes += 1;
                self.change(sku, |product| {
                    product.available = change["available"].as_i64().unwrap()
                });
                self.tagged(sku)
            }
        }
    }

    /// A page of the products that were changed since a time, by SKU.
    fn list(&self, query: &BTreeMap<String, String>) -> Reply {
        let since: Timestamp = query["updated_since"].parse().unwrap();
        let after = query.get("after").map_or("", String::as_str);
        let listed = self
            .products
            .iter()
            .filter(|(_, kept)| time_of(kept.change) >= since);
        let listed: Vec<&str> = listed
            .map(|(sku, _)| *sku)
            .filter(|sku| *sku > after)
            .collect();
        let page: Vec<Value> = listed.iter().take(2).map(|sku| self.product(sku)).collect();
        Reply::json(
            200,
            &json!({ "products": page, "next": listed.get(1).filter(|_| listed.len() > 2) }),
        )
    }

    fn change(&mut self, sku: &'static str, change: impl FnOnce(&mut KeptProduct)) {
        self.changes += 1;
        let product = self.products.get_mut(sku).unwrap();
        change(product);
        product.change = self.changes;
        self.deliveries.push(self.product(sku).to_string());
    }

    fn product(&self, sku: &str) -> Value {
        let KeptProduct {
            reserved,
            available,
            change,
        } = &self.products[sku];
        json!({ "sku": sku, "reserved": reserved, "available": available, "updated_at": time_of(*change) })
    }

    fn etag(&self, sku: &str) -> String {
        format!("\"{}\"", self.products[sku].change)
    }

    fn tagged(&self, sku: &str) -> Reply {
        Reply::json(200, &self.product(sku)).with("etag", self.etag(sku))
    }
}

fn time_of(change: i64) -> Timestamp {
    "2026-11-01T10:00:00Z".parse::<Timestamp>().unwrap() + change.seconds()
}
