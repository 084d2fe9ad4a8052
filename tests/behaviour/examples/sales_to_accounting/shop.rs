//! A shop that exports its sales as a table for people.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use encoding_rs::WINDOWS_1250;
use jiff::{ToSpan, civil::DateTime};
use serde_json::json;

use crate::{
    examples::refusal_without,
    support::{FakeServer, ReceivedRequest, Reply},
};

/// The token that it accepts.
pub(super) const TOKEN: &str = "shop-token-of-the-tests";

const HEADER: &str = "Numer;Data sprzedaży;Klient;NIP;Netto;VAT;Brutto;Stawka;Waluta;Zmieniono";

/// `GET /export/sales.csv?from={time}&to={time}`: the sales that were changed in that time, which
/// is local and at most a quarter of a year.
pub(super) struct Shop {
    server: FakeServer,
    sales: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    pub(super) async fn start() -> Shop {
        let sales: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = sales.clone();
        let server = FakeServer::start(move |request| {
            let refused = refusal_without(request, "authorization", &format!("Bearer {TOKEN}"));
            refused.unwrap_or_else(|| table(&kept.lock().unwrap(), &request.query))
        })
        .await;
        Shop { server, sales }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// Replaces the sales.
    pub(super) fn export<const N: usize>(&self, sales: [&str; N]) {
        *self.sales.lock().unwrap() = sales.map(str::to_owned).into();
    }

    /// Checks that each window began where the one before it ended and that the last one ended
    /// after now.
    pub(super) fn assert_was_read_quarter_by_quarter(&self) {
        let windows: Vec<(DateTime, DateTime)> = self
            .server
            .requests()
            .iter()
            .map(|ReceivedRequest { query, .. }| (time(&query["from"]), time(&query["to"])))
            .collect();
        assert!(windows.len() > 4, "{windows:?}");
        assert_eq!(windows[0].0, time("01.01.2024 01:00"));
        assert!(
            windows.windows(2).all(|two| two[0].1 == two[1].0),
            "{windows:?}"
        );
        assert!(
            windows.last().unwrap().1 > jiff::Zoned::now().datetime() - 1.day(),
            "{windows:?}"
        );
    }
}

fn table(sales: &[String], query: &BTreeMap<String, String>) -> Reply {
    let (from, to) = (time(&query["from"]), time(&query["to"]));
    if to > from + 92.days() {
        return Reply::json(400, &json!({ "error": "no more than a quarter" }));
    }
    let changed = |sale: &&String| {
        let changed = time(sale.rsplit(';').next().unwrap());
        (from..to).contains(&changed)
    };
    let lines = sales
        .iter()
        .filter(changed)
        .map(|sale| format!("{sale}\r\n"));
    let text = format!("{HEADER}\r\n{}", lines.collect::<String>());
    let (bytes, _, unmappable) = WINDOWS_1250.encode(&text);
    assert!(!unmappable, "{text}");
    // The header does not name the charset.
    Reply::of(200, bytes.into_owned()).with("content-type", "text/csv")
}

fn time(text: &str) -> DateTime {
    DateTime::strptime("%d.%m.%Y %H:%M", text).unwrap()
}
