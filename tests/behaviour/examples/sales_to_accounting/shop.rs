//! A shop that exports its sales as a table for people.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use encoding_rs::WINDOWS_1250;
use jiff::{ToSpan, civil::DateTime};
use serde_json::json;

use crate::{
    examples::turned_away,
    support::{FakeServer, ReceivedRequest, Reply},
};

/// What lets in.
pub(super) const TOKEN: &str = "shop-token-of-the-tests";

const HEADER: &str = "Numer;Data sprzedaży;Klient;NIP;Netto;VAT;Brutto;Stawka;Waluta;Zmieniono";

/// `GET /export/sales.csv?from={time}&to={time}`: what was changed from then until before then, no more
/// than a quarter of a year at once, by the clocks on the wall.
pub(super) struct Shop {
    server: FakeServer,
    sales: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    pub(super) async fn start() -> Shop {
        let sales: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = sales.clone();
        let server = FakeServer::start(move |request| {
            let refused = turned_away(request, "authorization", &format!("Bearer {TOKEN}"));
            refused.unwrap_or_else(|| table(&kept.lock().unwrap(), &request.query))
        })
        .await;
        Shop { server, sales }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// Has these sales from now on.
    pub(super) fn export<const N: usize>(&self, sales: [&str; N]) {
        *self.sales.lock().unwrap() = sales.map(str::to_owned).into();
    }

    /// Each window begins where the one before it ended, and the last ends after now.
    pub(super) fn was_read_quarter_by_quarter(&self) {
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
    // It does not say which charset that is.
    Reply::of(200, bytes.into_owned()).with("content-type", "text/csv")
}

fn time(text: &str) -> DateTime {
    DateTime::strptime("%d.%m.%Y %H:%M", text).unwrap()
}
