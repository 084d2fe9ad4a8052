//! An accounting system with an XML API.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use serde_json::json;

use crate::{
    examples::{basic, not_found, refusal_without},
    support::{FakeServer, ReceivedRequest, Reply},
};

/// The password of the user `pomost`.
pub(super) const PASSWORD: &str = "accounting-password-of-the-tests";

const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// `POST /invoices` and `PUT /invoices/{id}`. It refuses an invoice whose net and VAT do not make
/// its gross, and one without an idempotency key. A create under a known key gets the response of
/// the first time.
pub(super) struct AccountingSystem {
    server: FakeServer,
    books: Arc<Mutex<InvoiceBooks>>,
}

#[derive(Default)]
struct InvoiceBooks {
    /// The invoices as they were sent, by their ids.
    invoices: BTreeMap<String, String>,
    /// The ids by the idempotency keys.
    known: HashMap<String, String>,
    loses_an_answer: bool,
}

impl AccountingSystem {
    pub(super) async fn start() -> AccountingSystem {
        let books: Arc<Mutex<InvoiceBooks>> = Arc::default();
        let kept = books.clone();
        let server = FakeServer::start(move |request| {
            let refused = refusal_without(request, "authorization", &basic("pomost", PASSWORD));
            refused.unwrap_or_else(|| kept.lock().unwrap().answer(request))
        })
        .await;
        AccountingSystem { server, books }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    pub(super) fn count_method(&self, method: &str) -> usize {
        self.server.count_method(method)
    }

    /// Makes the next create take effect and its response break off.
    pub(super) fn lose_an_answer(&self) {
        self.books.lock().unwrap().loses_an_answer = true;
    }

    /// The invoices as they were sent, by their numbers, without what stands before the element.
    pub(super) fn invoices(&self) -> Vec<String> {
        let books = self.books.lock().unwrap();
        let mut invoices: Vec<String> = books
            .invoices
            .values()
            .map(|invoice| invoice.strip_prefix(DECLARATION).unwrap().to_owned())
            .collect();
        invoices.sort();
        invoices
    }

    /// The sum of all invoices, in the smallest units of their currencies.
    pub(super) fn booked(&self) -> u64 {
        let books = self.books.lock().unwrap();
        books
            .invoices
            .values()
            .map(|invoice| minor_units(invoice, "Gross").unwrap())
            .sum()
    }
}

impl InvoiceBooks {
    fn answer(&mut self, request: &ReceivedRequest) -> Reply {
        let invoice = &request.body;
        if !adds_up(invoice) || request.headers["content-type"] != "application/xml; charset=utf-8"
        {
            return xml(422, "<Error>this is no invoice</Error>");
        }
        match (
            request.method.as_str(),
            request.path.strip_prefix("/invoices/"),
        ) {
            ("POST", None) => self.create(request.headers.get("idempotency-key"), invoice),
            ("PUT", Some(id)) if self.invoices.contains_key(id) => {
                self.invoices.insert(id.to_owned(), invoice.clone());
                Reply::of(204, Vec::new())
            }
            _ => not_found(),
        }
    }

    fn create(&mut self, key: Option<&String>, invoice: &str) -> Reply {
        let Some(key) = key else {
            return Reply::json(400, &json!({ "error": "no idempotency key" }));
        };
        let new = format!("A{}", self.known.len() + 1);
        let id = self.known.entry(key.clone()).or_insert(new);
        self.invoices.insert(id.clone(), invoice.to_owned());
        match std::mem::take(&mut self.loses_an_answer) {
            true => Reply::broken_off(),
            false => xml(201, &format!("<Created><Id>{id}</Id></Created>")),
        }
    }
}

fn xml(status: u16, body: &str) -> Reply {
    let answer = Reply::of(status, format!("{DECLARATION}{body}"));
    answer.with("content-type", "application/xml")
}

fn adds_up(invoice: &str) -> bool {
    let [net, vat, gross] = ["Net", "Vat", "Gross"].map(|element| minor_units(invoice, element));
    matches!((net, vat, gross), (Some(net), Some(vat), Some(gross)) if net + vat == gross)
}

/// The amount in an element, which has two decimal places.
fn minor_units(invoice: &str, element: &str) -> Option<u64> {
    let (_, behind) = invoice.split_once(&format!("<{element}"))?;
    let (amount, _) = behind.split_once('>')?.1.split_once("</")?;
    let (whole, decimals) = amount.split_once('.')?;
    (decimals.len() == 2).then(|| format!("{whole}{decimals}").parse().ok())?
}
