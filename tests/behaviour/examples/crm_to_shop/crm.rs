//! A CRM with an API key and pages of three customers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    examples::refusal_without,
    support::{FakeServer, ReceivedRequest, Reply},
};

/// The key that it accepts.
pub(super) const KEY: &str = "crm-key-of-the-tests";

/// `GET /customers?changed_since={time}` in the order of ids; a `Link` header leads to the next
/// page.
pub(super) struct Crm {
    server: FakeServer,
    customers: Arc<Mutex<BTreeMap<u64, Value>>>,
}

impl Crm {
    pub(super) async fn start() -> Crm {
        let customers: Arc<Mutex<BTreeMap<u64, Value>>> = Arc::new(Mutex::new(customers()));
        let kept = customers.clone();
        let server = FakeServer::start(move |request| {
            refusal_without(request, "x-api-key", KEY)
                .unwrap_or_else(|| page(&kept.lock().unwrap(), request))
        })
        .await;
        Crm { server, customers }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// Number of pages that were asked for.
    pub(super) fn pages(&self) -> usize {
        self.server.count_method("GET")
    }

    /// Sets fields of a customer.
    pub(super) fn change(&self, id: u64, fields: Value) {
        let mut customers = self.customers.lock().unwrap();
        let customer = customers.get_mut(&id).unwrap().as_object_mut().unwrap();
        customer.extend(fields.as_object().unwrap().clone());
    }
}

fn page(customers: &BTreeMap<u64, Value>, request: &ReceivedRequest) -> Reply {
    let since: Timestamp = request.query["changed_since"].parse().unwrap();
    let number: usize = request
        .query
        .get("page")
        .map_or(0, |number| number.parse().unwrap());
    let changed = |customer: &&Value| {
        customer["changed_at"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
            >= since
    };
    let changed: Vec<&Value> = customers.values().filter(changed).collect();
    let rows = changed.chunks(3).nth(number).unwrap_or_default();
    let answer = Reply::json(200, &json!(rows));
    match (number + 1) * 3 < changed.len() {
        true => {
            let next = format!(
                "</customers?changed_since={since}&page={}>; rel=\"next\"",
                number + 1
            );
            answer.with("link", next)
        }
        false => answer,
    }
}

fn customers() -> BTreeMap<u64, Value> {
    let customers = [
        json!({ "first_name": "Łucja", "last_name": "Żak", "email": " Lucja.Zak@Poczta.example", "phone": "600 100 200",
            "country": "Polska", "born": "07.03.1984", "registered": "24.07.2024 13:45", "newsletter": "TAK" }),
        json!({ "first_name": "Hans ", "last_name": "Groß", "email": "hans@gross.example", "phone": "030 123456",
            "country": "Niemcy", "born": null, "registered": "24.12.2024 09:00", "newsletter": "nie" }),
        // That hour came twice that night.
        json!({ "first_name": "Zoë", "last_name": "Durand", "email": "zoe@durand.example", "phone": "0033 142685300",
            "country": "FRA", "born": "", "registered": "27.10.2024 02:30" }),
        json!({ "first_name": null, "last_name": "Nowak", "email": "IGA@POCZTA.example", "phone": "",
            "country": "pl", "registered": "02.01.2025 23:00", "newsletter": "1" }),
        json!({ "first_name": "Ewa", "last_name": "Lis", "email": "ewa@poczta.example",
            "country": "Poland", "registered": "29.02.2025 12:00" }),
        json!({ "first_name": "Jan", "last_name": "Wilk", "email": "jan@poczta.example",
            "country": "PL", "registered": "01.02.2025 12:00", "status": "deleted" }),
        json!({ "first_name": "Ola", "last_name": "Kos", "email": "ola@poczta.example", "phone": "601 123 456",
            "country": "Czechy", "born": "31.12.1999", "registered": "01.07.2025 00:00" }),
    ];
    let of_id = |(id, mut customer): (u64, Value)| {
        customer["id"] = json!(id);
        customer["changed_at"] = json!(format!("2026-06-{id:02}T08:00:00Z"));
        customer
            .as_object_mut()
            .unwrap()
            .entry("status")
            .or_insert(json!("active"));
        (id, customer)
    };
    (1..).zip(customers).map(of_id).collect()
}
